package test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

// The load that reloads must not disturb.
const (
	reloadCount   = 300
	reloadSockets = 200
	reloadClients = 16
)

// keptConfig is what every reload leaves alone; %s is what it does not.
const keptConfig = `
data_dir = "data"
log {
  level = "warn"
  access { off = true }
}
service "respond" "kept" { body = "kept" }
service "echo" "sockets" {}
service "static" "files" { root = "." }
listener "kept" {
  address = "127.0.0.1:0"
  service = service.respond.kept
}
listener "sockets" {
  address = "127.0.0.1:0"
  service = service.echo.sockets
}
listener "split" {
  address = "127.0.0.1:0"
  route {
    protocol = "ssh"
    service  = service.echo.sockets
  }
  service = service.static.files
}
%s`

// changing is a part of the file that is never twice the same: listeners and
// services come, change and go.
func changing(i int) string {
	switch i % 4 {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("service \"respond\" \"other\" { body = \"%d\" }\nlistener \"other\" {\n  address = \"127.0.0.1:0\"\n  service = service.respond.other\n}\n", i)
	case 2:
		return fmt.Sprintf("service \"respond\" \"other\" { body = \"%d\" }\nservice \"echo\" \"more\" {}\nlistener \"other\" {\n  address = [\"127.0.0.1:0\", \"unix:other.sock\"]\n  route {\n    path    = [\"/x/*\"]\n    service = service.echo.more\n  }\n  service = service.respond.other\n}\n", i)
	}
	return "service \"echo\" \"more\" {}\nlistener \"raw\" {\n  address = \"[::1]:0\"\n  service = service.echo.more\n}\n"
}

// gauges reads metrics that have no labels.
func gauges(t *testing.T, d *testkit.Daemon, names ...string) []int {
	t.Helper()
	all := d.Metrics()
	out := make([]int, len(names))
	for i, n := range names {
		v, ok := all[n]
		if !ok {
			t.Fatalf("no metric %s", n)
		}
		out[i] = int(v)
	}
	return out
}

// mustReload loads a config; want is what `portico reload` would exit with.
func mustReload(t *testing.T, d *testkit.Daemon, config string, want int) {
	t.Helper()
	if r := d.Reload(config); r.Exit != want {
		t.Fatalf("reload: exit %d, want %d: %s%s", r.Exit, want, r.Error, r.Text)
	}
}

// echoSocket is a WebSocket that counts what comes back and whether it ended.
type echoSocket struct {
	gws.BuiltinEventHandler
	back   chan string
	closed atomic.Pointer[error]
}

func (e *echoSocket) OnMessage(_ *gws.Conn, m *gws.Message) {
	e.back <- m.Data.String()
	_ = m.Close()
}

func (e *echoSocket) OnClose(_ *gws.Conn, err error) { e.closed.Store(&err) }

// TestReloadUnderLoad holds WebSockets and HTTP clients through hundreds of
// reloads that add, change and remove everything else.
func TestReloadUnderLoad(t *testing.T) {
	page := strings.Repeat("page ", 10000)
	d := testkit.StartBinary(t, program.Racing(t), fmt.Sprintf(keptConfig, ""), "GORACE=halt_on_error=1")
	d.Write("index.html", page)
	kept, sockets, split := d.Addr("kept"), d.Addr("sockets"), d.Addr("split")

	handlers := make([]*echoSocket, reloadSockets)
	conns := make([]*gws.Conn, reloadSockets)
	for i := range conns {
		handlers[i] = &echoSocket{back: make(chan string, 1)}
		c, _, err := gws.NewClient(handlers[i], &gws.ClientOption{Addr: "ws://" + sockets + "/"})
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c
		go c.ReadLoop()
	}
	sayAll := func(word string) {
		t.Helper()
		for i, c := range conns {
			if err := c.WriteString(word); err != nil {
				t.Fatalf("WebSocket %d: %v", i, err)
			}
		}
		for i, h := range handlers {
			select {
			case got := <-h.back:
				if got != word {
					t.Fatalf("WebSocket %d sent back %q", i, got)
				}
			case <-time.After(patience):
				t.Fatalf("WebSocket %d is silent", i)
			}
		}
	}
	sayAll("before")
	for i := range 4 { // what is made once, on first use, is no growth
		mustReload(t, d, fmt.Sprintf(keptConfig, changing(i)), 0)
		if err := fetch(http.DefaultClient, "http://"+split+"/", len(page)); err != nil {
			t.Fatal(err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	names := []string{"go_goroutines", "process_open_fds"}
	before := gauges(t, d, names...)

	stop, requests, failed := make(chan struct{}), atomic.Int64{}, make(chan error, reloadClients)
	var clients sync.WaitGroup
	for i := range reloadClients {
		addr, want := kept, len("kept")
		if i%2 == 1 {
			addr, want = split, len(page)
		}
		// Every fourth client makes a connection per request.
		client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: i%4 == 3}}
		clients.Go(func() {
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := fetch(client, "http://"+addr+"/", want); err != nil {
					failed <- err
					return
				}
				requests.Add(1)
			}
		})
	}

	for i := range reloadCount {
		mustReload(t, d, fmt.Sprintf(keptConfig, changing(i)), 0)
		if i%50 == 7 { // a bad file in between changes nothing
			mustReload(t, d, fmt.Sprintf(keptConfig, "listener \"bad\" {"), 2)
		}
		if i%100 == 50 {
			sayAll("during " + strconv.Itoa(i))
		}
	}
	sayAll("after")
	close(stop)
	clients.Wait()
	select {
	case err := <-failed:
		t.Errorf("after %d requests: %v", requests.Load(), err)
	default:
	}
	for i, h := range handlers {
		if err := h.closed.Load(); err != nil {
			t.Errorf("WebSocket %d was closed: %v", i, *err)
		}
	}
	t.Logf("%d reloads under %d requests", reloadCount, requests.Load())
	// What drains may take a moment.
	var after []int
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		after = gauges(t, d, names...)
		if after[0] <= before[0] && after[1] <= before[1] {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v grew from %v to %v over %d reloads", names, before, after, reloadCount)
		}
	}
	for _, c := range conns {
		_ = c.NetConn().Close()
	}
	if exit := d.Stop(); exit != 0 {
		t.Errorf("the daemon ended with status %d:\n%s", exit, d.Log())
	}
}

func fetch(c *http.Client, url string, want int) error {
	res, err := c.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || int(n) != want {
		return fmt.Errorf("%s: status %d, %d bytes, want %d", url, res.StatusCode, n, want)
	}
	return nil
}
