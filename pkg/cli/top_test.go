package cli_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/admin/watch"
	"github.com/porticod/portico/pkg/daemon"
	"github.com/porticod/portico/pkg/tlsconf"
)

// aView is what a made-up daemon does.
func aView() watch.View {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	busy := watch.Traffic{Requests: 12345.6, ClientErrors: 7.25, ServerErrors: .004, InFlight: 3, BytesIn: 100, BytesOut: 5 << 20, P50: .00034, P99: 1.25, AllRequests: 1e7}
	idle := watch.Traffic{}
	return watch.View{
		At: at, Seconds: 1, Version: "1.2.3", PID: 4711, Started: at.Add(-50 * time.Hour), File: "/etc/portico/config.hcl", Generation: 12,
		Degraded:   "service proxy.app: no upstream\u202eis up\x1b[2J",
		LastReload: daemon.Reload{At: at.Add(-time.Minute), Error: "config.hcl:3: no such service"},
		Process:    watch.Process{CPU: 1.234, Memory: 300 << 20, Heap: 120 << 20, Goroutines: 812, Files: 12001, MaxFiles: 1 << 20, GCPause: .0004},
		Total:      watch.Listening{Connections: 11000, Accepted: 99.5, Refused: .5, Traffic: busy},
		Listeners: []watch.Listener{
			{Name: "a-listener-with-a-long-name", Addresses: []string{"[2001:db8:1234:5678::1]:8443", "127.0.0.1:8443"}, TLS: true,
				Listening: watch.Listening{Connections: 10990, Accepted: 99, Refused: .5, Traffic: busy},
				Routes: []watch.Route{
					{Name: "route1", Text: "host shop.example.org path /api/* -> proxy.app", Service: "proxy.app", Traffic: busy},
					{Name: "default", Text: "-> static.site", Service: "static.site", Traffic: idle},
				},
				Certificates: []daemon.CertificateStatus{
					{Info: tlsconf.Info{Names: []string{"shop.example.org"}, NotAfter: at.Add(60 * time.Hour)}},
					{Info: tlsconf.Info{Names: []string{"new.example.org"}}, Managed: true, Missing: true},
				}},
			{Name: "chat", Addresses: []string{"127.0.0.1:3001"}, Listening: watch.Listening{Connections: 10, Accepted: .5}},
		},
		Services: []watch.Service{
			{Name: "proxy.app", State: "running", Health: "no upstream is up", Calls: 12345, InProgress: 3, Traffic: busy},
			{Name: "static.site", State: "draining", Health: "ok"},
			{Name: "chat.lobby", State: "running", Health: "ok", Connections: 10, Numbers: []watch.Number{
				{Name: "messages", Unit: watch.UnitPerSecond, Value: 31},
				{Name: "commit", Unit: watch.UnitPerSecond, Value: 31, P50: .002, P99: .011},
				{Name: "start", Unit: watch.UnitTime, Value: float64(at.Add(-90 * time.Second).Unix())},
			}},
		},
		Numbers: []watch.Number{{Name: "pictures memory", Unit: watch.UnitBytes, Value: 5 << 20}},
	}
}

// pretend answers on a socket like a daemon that does aView.
func pretend(t *testing.T, dir string) (socket string) {
	t.Helper()
	socket = filepath.Join(dir, "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/sockets", func(w http.ResponseWriter, _ *http.Request) {
		at := aView().At
		_ = json.NewEncoder(w).Encode([]admin.Socket{
			{Listener: "chat", Peer: "192.0.2.1:40000", Service: "chat.lobby", Protocol: "http1", State: "active", Opened: at.Add(-time.Hour), BytesIn: 10, BytesOut: 2000},
			{Listener: "chat", Peer: "192.0.2.2:40000", Service: "chat.lobby", Protocol: "http1", State: "idle", Opened: at.Add(-2 * time.Hour), BytesIn: 3 << 20, BytesOut: 1},
		})
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		b, err := json.Marshal(aView())
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "retry: 1000\n\nevent: beat\ndata: {}\n\n")
		fmt.Fprintf(w, "data: %s\n\n", strings.Replace(string(b), `"seconds":1,`, `"seconds":0,`, 1))
		fmt.Fprintf(w, "data: %s\n\nevent: end\ndata: {}\n\n", b)
	})
	srv := &http.Server{Handler: mux}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return socket
}

// Every page, as it is printed where there is no terminal.
func TestTopPages(t *testing.T) {
	dir := scene(t)
	socket := pretend(t, dir)
	for _, page := range []string{"overview", "routes", "services", "connections"} {
		matches(t, "top-"+page, transcript(dir, "", "top", "--once", "--page", page, "--admin", socket))
	}
	matches(t, "top-sorted", transcript(dir, "", "top", "--once", "--page", "connections", "--sort", "in", "--admin", socket))
	matches(t, "top-on-and-on", transcript(dir, "", "top", "--admin", socket))
	matches(t, "top-mistakes", transcript(dir, "", "top", "--interval", "0s")+transcript(dir, "", "top", "--page", "x")+transcript(dir, "", "top", "--sort", "x", "--page", "connections")+
		transcript(dir, "", "top", "--admin", "none.sock"))

	status, out, errs := portico("", "top", "--json", "--once", "--admin", socket)
	var v watch.View
	if err := json.Unmarshal([]byte(out), &v); status != 0 || errs != "" || err != nil || v.PID != 4711 || v.Seconds != 1 {
		t.Errorf("status %d, %v: %s%s", status, err, out, errs)
	}
}

// The same with a daemon.
func TestTopOnce(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	get(t, d.URL("web"))
	status, out, errs := portico("", "top", "--once", "--admin", d.Admin.Path())
	if status != 0 || errs != "" || !strings.Contains(out, "respond.hello") || strings.Contains(out, "\x1b") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	status, out, errs = portico("", "status", "--admin", d.Admin.Path())
	if status != 0 || errs != "" || !strings.Contains(out, "of memory") || !strings.Contains(out, "P99") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	var s struct {
		Generation int
		Numbers    watch.View
	}
	status, out, errs = portico("", "status", "--json", "--admin", d.Admin.Path())
	if err := json.Unmarshal([]byte(out), &s); status != 0 || err != nil || s.Generation != 1 || s.Numbers.Total.AllRequests != 1 {
		t.Errorf("status %d, %v: %s%s", status, err, out, errs)
	}
	status, out, errs = portico("", "sockets", "web", "--sort", "age", "--admin", d.Admin.Path())
	if status != 0 || errs != "" || !strings.Contains(out, "connection") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	if status, _, errs = portico("", "sockets", "wbe", "--admin", d.Admin.Path()); status != 2 || !strings.Contains(errs, `Did you mean "web"?`) {
		t.Errorf("status %d: %s", status, errs)
	}
}
