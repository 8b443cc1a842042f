package options_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
)

// port is a listener of a service with the same name.
func port(kind string, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "listener %q {\n  address = \"127.0.0.1:0\"\n  service = service.%s.%s\n}\n", name, kind, name)
	}
	return b.String()
}

const rules = `
variable "a" {}
variable "b" {}
service "proxy" "rules" {
  upstreams    = ["http://${var.a}"]
  host         = "fixed.test"
  strip_prefix = "/api"
  rewrite      = "/v2{path}"
  compress     = true
  headers {
    request {
      remove = ["X-Secret"]
      set    = { X-Set = "mine" }
      add    = { X-Add = "mine" }
    }
    response {
      remove = ["Server"]
      set    = { X-Set = "mine" }
      add    = { X-Add = "mine" }
    }
  }
}
service "proxy" "weighted" {
  upstreams = ["http://${var.a}", "http://${var.b}"]
  weights   = { "http://${var.a}" = 3 }
}
service "proxy" "hash" {
  upstreams = ["http://${var.a}", "http://${var.b}"]
  balance   = "hash"
  hash_key  = "header:X-User"
}
`

// option: proxy.upstreams proxy.host proxy.strip_prefix proxy.rewrite proxy.compress
// option: proxy.headers.request.remove proxy.headers.request.set proxy.headers.request.add
// option: proxy.headers.response.remove proxy.headers.response.set proxy.headers.response.add
// option: proxy.balance proxy.hash_key proxy.weights
func TestProxyRules(t *testing.T) {
	t.Parallel()
	tell := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Server", "secret")
			h["X-Set"], h["X-Add"], h["X-Name"] = []string{"its"}, []string{"its"}, []string{name}
			h.Set("Content-Type", "text/plain")
			fmt.Fprintf(w, "host=%s path=%s secret=%v set=%v add=%v %s", r.Host, r.URL.RequestURI(),
				r.Header["X-Secret"], r.Header["X-Set"], r.Header["X-Add"], strings.Repeat(" ", 2000))
		}
	}
	d := start(t, rules+port("proxy", "rules", "weighted", "hash"), "a", backend(t, tell("a")), "b", backend(t, tell("b")))
	client := []string{"X-Secret", "its", "X-Set", "its", "X-Add", "its"}
	a := get(t, d.URL("rules")+"/api/x?y=z", client...)
	a.says(t, `^host=fixed\.test path=/v2/x\?y=z secret=\[\] set=\[mine\] add=\[its mine\] `)
	a.has(t, "Server", "")
	a.has(t, "X-Set", "mine")
	a.has(t, "X-Add", "its, mine")
	a.has(t, "Content-Encoding", "")
	a = get(t, d.URL("rules")+"/api/x", "Accept-Encoding", "gzip")
	a.has(t, "Content-Encoding", "gzip")
	if len(a.body) > 1000 {
		t.Errorf("compressed it has %d bytes", len(a.body))
	}

	got := map[string]int{}
	for range 8 {
		got[get(t, d.URL("weighted")).Header.Get("X-Name")]++
	}
	if got["a"] != 6 || got["b"] != 2 {
		t.Errorf("weights of 3 to 1: %v", got)
	}
	got = map[string]int{}
	for user := range 20 {
		name := get(t, d.URL("hash"), "X-User", fmt.Sprint(user)).Header.Get("X-Name")
		got[name]++
		if again := get(t, d.URL("hash"), "X-User", fmt.Sprint(user)).Header.Get("X-Name"); again != name {
			t.Errorf("user %d came to %s and %s", user, name, again)
		}
	}
	if got["a"] == 0 || got["b"] == 0 {
		t.Errorf("users came to %v", got)
	}
}

const failing = `
variable "good" {}
variable "dead" {}
variable "mute" {}
variable "never" {}
variable "half" {}
variable "keeps" {}
variable "broken" {}
variable "gate" {}
service "proxy" "connect" {
  upstreams = ["https://${var.mute}"]
  timeouts { connect = "200ms" }
}
service "proxy" "header" {
  upstreams = ["http://${var.never}"]
  timeouts { header = "200ms" }
}
service "proxy" "idle" {
  upstreams = ["http://${var.half}"]
  timeouts { idle = "300ms" }
}
service "proxy" "keep" {
  upstreams = ["http://${var.keeps}"]
  timeouts { keep_alive = "200ms" }
}
service "proxy" "busy" {
  upstreams = ["http://${var.gate}"]
  limits {
    requests = 1
    wait     = "300ms"
  }
}
service "proxy" "full" {
  upstreams = ["http://${var.gate}"]
  limits {
    requests = 1
    queue    = 1
  }
}
service "proxy" "once" {
  upstreams = ["http://${var.dead}", "http://${var.good}"]
  passive { fails = 0 }
  retry { attempts = 1 }
}
service "proxy" "again" {
  upstreams = ["http://${var.broken}", "http://${var.good}"]
  retry { statuses = [500] }
}
service "proxy" "down" {
  upstreams = ["http://${var.broken}", "http://${var.good}"]
  passive {
    fails    = 1
    statuses = [500]
  }
}
service "proxy" "soon" {
  upstreams = ["http://${var.broken}", "http://${var.good}"]
  passive {
    fails    = 1
    statuses = [500]
    down     = "50ms"
  }
}
service "proxy" "within" {
  upstreams = ["http://${var.broken}", "http://${var.good}"]
  passive {
    fails    = 2
    within   = "1us"
    statuses = [500]
  }
}
`

// option: proxy.timeouts.connect proxy.timeouts.header proxy.timeouts.idle proxy.timeouts.keep_alive
// option: proxy.limits.requests proxy.limits.queue proxy.limits.wait proxy.retry.attempts proxy.retry.statuses
// option: proxy.passive.fails proxy.passive.within proxy.passive.down proxy.passive.statuses
func TestProxyFailures(t *testing.T) {
	t.Parallel()
	mute := testkit.Serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) // no TLS comes from it
	never := backend(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	half := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	keeps, ended := counting(t)
	gate, arrived := make(chan struct{}), make(chan struct{}, 10)
	d := start(t, failing+port("proxy", "connect", "header", "idle", "keep", "busy", "full", "once", "again", "down", "soon", "within"),
		"good", says(t, "good"), "dead", dead(t), "mute", mute, "never", never, "half", half, "keeps", keeps,
		"broken", backend(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) }),
		"gate", backend(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-gate }))

	begin := time.Now()
	get(t, d.URL("connect")).is(t, http.StatusGatewayTimeout, "")
	if took := time.Since(begin); took > 4*time.Second { // the default is 5s
		t.Errorf("connecting took %v", took)
	}
	get(t, d.URL("header")).is(t, http.StatusGatewayTimeout, "")
	if a := get(t, d.URL("idle")); a.broken == nil || a.body != "half" {
		t.Errorf("of an answer that stops: %q, %v", a.body, a.broken)
	}
	get(t, d.URL("keep")).is(t, http.StatusOK, "")
	receive(t, ended)
	queue(t, d, gate, arrived)

	statuses := func(name string, n int) (list []int) {
		for range n {
			list = append(list, get(t, d.URL(name)).StatusCode)
		}
		return list
	}
	for name, want := range map[string]string{
		"once": "[502 200 502 200]", "again": "[200 200 200 200]", "down": "[500 200 200 200]", "within": "[500 200 500 200]",
	} {
		if got := fmt.Sprint(statuses(name, 4)); got != want && !(name != "down" && got == strings.Replace(want, "[502 200", "[200 502", 1)) {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
	failures := 0
	d.Eventually("it is tried again soon, not after 5s each time", func() bool {
		if get(t, d.URL("soon")).StatusCode == http.StatusInternalServerError {
			failures++
		}
		return failures > 5
	})
}

// counting is a server that tells when a connection to it ends.
func counting(t *testing.T) (addr string, ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{}, 10)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			ended <- struct{}{}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), ended
}

// queue: of each service one request is answered. One more waits, as long as it
// may; where one waits already, it does not even do that.
func queue(t *testing.T, d *testkit.Daemon, gate, arrived chan struct{}) {
	t.Helper()
	request := func(name string) chan int {
		c := make(chan int, 1)
		go func() {
			a, err := try(t, client, http.MethodGet, d.URL(name), "")
			if err != nil {
				t.Error(err)
				c <- 0
				return
			}
			c <- a.StatusCode
		}()
		return c
	}
	firsts := []chan int{request("busy"), request("full")}
	receive(t, arrived)
	receive(t, arrived)
	begin := time.Now()
	get(t, d.URL("busy")).is(t, http.StatusServiceUnavailable, "")
	if took := time.Since(begin); took < 300*time.Millisecond || took > 4*time.Second { // the default is 5s
		t.Errorf("it waited for %v", took)
	}
	waits := request("full")
	d.Eventually("a request waits", func() bool { return d.Metric(`portico_proxy_waiting_requests{service="proxy.full"}`) == 1 })
	get(t, d.URL("full")).is(t, http.StatusServiceUnavailable, "")
	close(gate)
	for _, c := range append(firsts, waits) {
		if got := receive(t, c); got != http.StatusOK {
			t.Errorf("a request that waited got %d", got)
		}
	}
}

const upstreamTLS = `
variable "dir" {}
variable "known" {}
variable "unknown" {}
service "proxy" "ca" {
  upstreams = ["https://${var.known}"]
  tls {
    ca          = "${var.dir}/ca.pem"
    server_name = "up.test"
    certificate = "${var.dir}/portico.pem"
    key         = "${var.dir}/portico.key"
  }
}
service "proxy" "strict" { upstreams = ["https://${var.unknown}"] }
service "proxy" "insecure" {
  upstreams = ["https://${var.unknown}"]
  tls { insecure = true }
}
`

// option: proxy.tls.ca proxy.tls.server_name proxy.tls.insecure proxy.tls.certificate proxy.tls.key
func TestProxyTLS(t *testing.T) {
	t.Parallel()
	var none *signer
	dir, ca := t.TempDir(), none.issue(t, "ca")
	ca.write(t, dir, "ca")
	ca.issue(t, "portico").write(t, dir, "portico")
	known := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.ServerName+" for "+r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	known.TLS = &tls.Config{Certificates: ca.issue(t, "up.test").pair(), ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool()}
	known.StartTLS()
	t.Cleanup(known.Close)
	unknown := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "unknown") }))
	t.Cleanup(unknown.Close)
	unknown.Config.ErrorLog = nil
	d := start(t, upstreamTLS+port("proxy", "ca", "strict", "insecure"),
		"dir", dir, "known", known.Listener.Addr().String(), "unknown", unknown.Listener.Addr().String())
	get(t, d.URL("ca")).is(t, http.StatusOK, "up.test for portico")
	get(t, d.URL("strict")).is(t, http.StatusBadGateway, "")
	get(t, d.URL("insecure")).is(t, http.StatusOK, "unknown")
}
