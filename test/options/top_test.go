package options_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// option: data_dir drain include variable.default log.format log.access.file log.access.format
// option: admin.socket admin.address
func TestTopLevel(t *testing.T) {
	t.Parallel()
	dir := files(t, "more/a.hcl", `service "respond" "hello" { body = var.word }`)
	began := make(chan struct{}, 1)
	d := start(t, `
data_dir = "state"
drain    = "300ms"
include  = "${env("PORTICO_VAR_dir")}/more/*.hcl"
variable "dir" {}
variable "app" {}
variable "word" { default = "from the default" }
log {
  format = "console"
  access {
    file   = "access.log"
    format = "combined"
  }
}
admin {
  socket  = "data/admin.sock"
  address = "127.0.0.1:0"
}
service "proxy" "app" { upstreams = ["http://${var.app}"] }
listener "web" {
  address = "127.0.0.1:0"
  service = service.respond.hello
}
listener "slow" {
  address = "127.0.0.1:0"
  service = service.proxy.app
}
`, "dir", dir, "app", backend(t, func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-r.Context().Done()
	}))
	get(t, d.URL("web")+"/path?secret", "User-Agent", "a-browser").is(t, http.StatusOK, "from the default")
	if _, err := os.Stat(filepath.Join(d.Dir, "state", "lock")); err != nil {
		t.Errorf("data_dir: %v", err)
	}
	m := d.Find(`metrics.*(127\.0\.0\.1:\d+)|(127\.0\.0\.1:\d+).*metrics`)
	get(t, "http://"+m[1]+m[2]+"/metrics").says(t, "portico_build_info")
	d.Eventually("a line in the access log", func() bool {
		b, _ := os.ReadFile(filepath.Join(d.Dir, "access.log"))
		return strings.HasPrefix(string(b), "127.0.0.1 - - [") && strings.Contains(string(b), `"GET /path HTTP/1.1" 200 16 "-" "a-browser"`)
	})

	go func() { _, _ = try(t, client, http.MethodGet, d.URL("slow"), "") }()
	receive(t, began)
	begin := time.Now()
	d.Stop()
	if took := time.Since(begin); took > 8*time.Second { // the default is 10s
		t.Errorf("stopping took %v", took)
	}
	if first, _, _ := strings.Cut(d.Log(), "\n"); json.Valid([]byte(first)) {
		t.Errorf("the log is no console's:\n%s", d.Log())
	}
}

// option: limits.memory in test/frontdoor/memory_test.go
// option: log.access.off limits.connections variable.description admin.public
func TestTopLevelLimits(t *testing.T) {
	t.Parallel()
	const config = `
variable "must" { description = "what it is for" }
limits { connections = 2 }
log {
  access { off = true }
}
admin {
  address = "0.0.0.0:0"
  public  = true
}
service "respond" "hello" { body = var.must }
listener "one" {
  address = "127.0.0.1:0"
  service = service.respond.hello
}
listener "two" {
  address = "127.0.0.1:0"
  service = service.respond.hello
}
`
	dir := files(t, "config.hcl", config, "closed.hcl", strings.Replace(config, "public  = true", "", 1))
	if out := portico(t, 2, dir, nil, "validate", "config.hcl"); !strings.Contains(out, "what it is for") || !strings.Contains(out, "--var must=") {
		t.Errorf("without the variable: %s", out)
	}
	if out := portico(t, 2, dir, []string{"must", "x"}, "validate", "closed.hcl"); !strings.Contains(out, "public = true") {
		t.Errorf("beyond loopback: %s", out)
	}
	d := start(t, config, "must", "x")
	m := d.Find(`(?:metrics.*|"address":").*?[:\]](\d+)"`)
	get(t, "http://127.0.0.1:"+m[1]+"/healthz").is(t, http.StatusOK, "")

	one, two, three := dial(t, d.Addr("one")), dial(t, d.Addr("two")), dial(t, d.Addr("one"))
	if a, b, c := answered(t, one), answered(t, two), answered(t, three); a != 200 || b != 200 || c != 0 {
		t.Errorf("three connections: %d %d %d", a, b, c)
	}
	d.Stop()
	if strings.Contains(d.Log(), `"access"`) {
		t.Errorf("the access log is off:\n%s", d.Log())
	}
}
