package cli_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/pkg/admin"
)

const hello = `
service "respond" "hello" { body = "hello" }
listener "web" {
  address = "127.0.0.1:0"
  service = service.respond.hello
}
`

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRunAndReload(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	if got := get(t, d.URL("web")); got != "hello" {
		t.Errorf("got %q", got)
	}
	before := d.Addr("web")

	r := d.Reload(strings.Replace(hello, `body = "hello"`, `body = "changed"`, 1))
	if !r.OK || r.Exit != 0 || !strings.Contains(r.Changes, "replace service respond.hello") {
		t.Errorf("got %+v", r)
	}
	if d.Addr("web") != before {
		t.Errorf("a reload moved the listener from %s to %s", before, d.Addr("web"))
	}
	if got := get(t, d.URL("web")); got != "changed" {
		t.Errorf("got %q", got)
	}
	if status := d.Stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// A bad file is told about and changes nothing, and the status keeps it in mind
// until the next reload.
func TestBadReload(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	r := d.Reload(hello + "\nlistener \"web\" {\n  adress = 1\n}\n")
	if r.OK || r.Exit != 2 || !strings.Contains(r.Text, "adress") || !json.Valid(r.Diagnostics) {
		t.Errorf("got %+v", r)
	}
	if got := get(t, d.URL("web")); got != "hello" {
		t.Errorf("got %q", got)
	}
	s := d.Status()
	if s.LastReload.OK || !strings.Contains(s.LastReload.Error, "config.hcl:") || s.Generation != 1 {
		t.Errorf("got %+v", s)
	}
	d.Find(`"line":\d+.*adress`)
	if r := d.Reload(hello); !r.OK || !d.Status().LastReload.OK {
		t.Errorf("the good file again: %+v", r)
	}
}

// A port in use is found while preparing: exit status 1, and nothing changed.
func TestReloadPortInUse(t *testing.T) {
	other := testkit.Start(t, testkit.App(), hello)
	d := testkit.Start(t, testkit.App(), hello)
	r := d.Reload(hello + "listener \"taken\" {\n  address = \"" + other.Addr("web") + "\"\n  service = service.respond.hello\n}\n")
	if r.OK || r.Exit != 1 || !strings.Contains(r.Error, `listener "taken"`) || !strings.Contains(r.Error, other.Addr("web")) {
		t.Errorf("got %+v", r)
	}
	if n := len(d.Status().Listeners); n != 1 {
		t.Errorf("%d listeners", n)
	}
}

func TestDryReload(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	d.Write("config.hcl", hello+"service \"echo\" \"e\" {}\n")
	r, err := d.Admin.Reload(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || !strings.Contains(r.Changes, "+ open service echo.e") {
		t.Errorf("got %+v", r)
	}
	if s := d.Status(); len(s.Services) != 1 || s.Generation != 1 {
		t.Errorf("a dry reload changed something: %+v", s)
	}
}

func TestNeedsRestart(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	r := d.Reload("data_dir = \"elsewhere\"\n" + hello)
	if r.OK || r.Exit != 2 || !strings.Contains(r.Error, "needs a restart") {
		t.Errorf("got %+v", r)
	}
	if _, err := os.Stat(filepath.Join(d.Dir, "elsewhere")); err == nil {
		t.Error("the new data_dir was made all the same")
	}
}

// With a broken file the last good copy runs, and says so.
func TestLastGood(t *testing.T) {
	d := testkit.Start(t, testkit.App(), "include = [\"more/*.hcl\"]\n", "more/a.hcl", hello)
	d.Stop()
	d.Write("config.hcl", "include = [")
	d.Write("more/a.hcl", "broken {")

	again := testkit.Restart(t, d, testkit.App())
	if got := get(t, again.URL("web")); got != "hello" {
		t.Errorf("got %q", got)
	}
	s := again.Status()
	if s.Ready || !strings.Contains(s.Degraded, "last good") {
		t.Errorf("got ready %v, degraded %q", s.Ready, s.Degraded)
	}
	if err := again.Admin.Do(context.Background(), http.MethodGet, "/readyz", nil, nil); err == nil {
		t.Error("readyz is content")
	}
	if err := again.Admin.Do(context.Background(), http.MethodGet, "/healthz", nil, nil); err != nil {
		t.Errorf("healthz: %v", err)
	}
	again.Find("THE CONFIG FILE HAS MISTAKES")

	const back = "~ the file is in force again, in place of its last good copy\n"
	if r := again.Reload(hello); !r.OK || !again.Status().Ready || r.Changes != back {
		t.Errorf("after the file was mended: %+v, %+v", r, again.Status())
	}
	if r := again.Reload(hello); !r.OK || r.Changes != "nothing changes\n" {
		t.Errorf("once more: %+v", r)
	}
}

// The access log goes to a file, which is opened anew when it was moved, and
// elsewhere after a reload.
func TestAccessLogFile(t *testing.T) {
	logged := func(file string) string {
		return "log {\n  access { file = \"" + file + "\" }\n}\n" + hello
	}
	d := testkit.Start(t, testkit.App(), logged("a.log"))
	read := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(d.Dir, name))
		return string(b)
	}
	get(t, d.URL("web")+"/one")
	d.Eventually("a line in a.log", func() bool { return strings.Contains(read("a.log"), `"path":"/one"`) })
	if r := d.Reload(logged("b.log")); !r.OK {
		t.Fatalf("%+v", r)
	}
	get(t, d.URL("web")+"/two")
	d.Eventually("a line in b.log", func() bool { return strings.Contains(read("b.log"), `"path":"/two"`) })
	if strings.Contains(read("a.log"), "/two") || strings.Contains(d.Log(), `"path":"/one"`) {
		t.Error("a line went to the wrong place")
	}
	if r := d.Reload(logged("no/such/folder.log")); r.OK || r.Exit == 0 || d.Status().LastReload.OK {
		t.Errorf("got %+v, %+v", r, d.Status().LastReload)
	}
}

// The log's level follows a reload.
func TestLogLevelReload(t *testing.T) {
	d := testkit.Start(t, testkit.App(), "log { level = \"error\" }\n"+hello)
	if strings.Contains(d.Log(), "configuration applied") {
		t.Error("level error shows info")
	}
	d.Reload("log { level = \"info\" }\n" + hello)
	d.Reload("log { level = \"info\" }\n" + hello)
	d.Find("configuration applied")
}

// The address for metrics comes, moves and goes with reloads.
func TestAdminAddress(t *testing.T) {
	d := testkit.Start(t, testkit.App(), "admin { address = \"127.0.0.1:0\" }\n"+hello)
	m := d.Find(`"address":"(127\.0\.0\.1:\d+)".*metrics`)
	if got := get(t, "http://"+m[1]+"/metrics"); !strings.Contains(got, "portico_build_info") {
		t.Errorf("got %.200q", got)
	}
	if r := d.Reload(hello); !r.OK {
		t.Fatalf("%+v", r)
	}
	d.Eventually("the address is let go", func() bool {
		res, err := http.Get("http://" + m[1] + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		return err != nil
	})
}

func TestSocketsAreListed(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Get(d.URL("web"))
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	var list []admin.Socket
	d.Eventually("the idle connection is listed", func() bool {
		list, err = d.Admin.Sockets(context.Background())
		return err == nil && len(list) == 1 && list[0].State == "idle"
	})
	if s := list[0]; s.Listener != "web" || !strings.HasPrefix(s.Peer, "127.0.0.1") || s.BytesOut == 0 {
		t.Errorf("got %+v", s)
	}
}
