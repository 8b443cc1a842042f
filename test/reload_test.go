package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lxzan/gws"
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
service "static" "files" { root = "www" }
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

// A run is the real binary at work in a folder of its own.
type run struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
	log bytes.Buffer
	web *http.Client // to the admin socket
}

func startRun(t *testing.T, bin, config string) *run {
	t.Helper()
	r := &run{t: t, dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(r.dir, "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "www", "index.html"), bytes.Repeat([]byte("page "), 10000), 0o644); err != nil {
		t.Fatal(err)
	}
	r.write(config)
	r.web = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(r.dir, "data", "admin.sock"))
	}}}
	r.cmd = exec.Command(bin, "run", filepath.Join(r.dir, "config.hcl"))
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if res, err := r.web.Get("http://admin/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return r
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("not ready in time")
		}
	}
}

func (r *run) write(config string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "config.hcl"), []byte(config), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// stop ends the daemon gently and wants exit status 0 and no race.
func (r *run) stop() {
	if r.cmd.ProcessState != nil {
		return
	}
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(patience, func() { _ = r.cmd.Process.Kill() })
	defer timer.Stop()
	if err := r.cmd.Wait(); err != nil || r.t.Failed() || strings.Contains(r.log.String(), "DATA RACE") {
		r.t.Errorf("the daemon ended with %v:\n%s", err, r.log.String())
	}
}

func (r *run) admin(method, path string) (int, []byte) {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://admin"+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.web.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, b
}

// reload makes the daemon load its file; want is the exit status.
func (r *run) reload(want int) {
	r.t.Helper()
	var answer struct {
		Exit  int
		Error string
		Text  string
	}
	_, b := r.admin("POST", "/reload")
	if err := json.Unmarshal(b, &answer); err != nil || answer.Exit != want {
		r.t.Fatalf("reload: %s (%v), want exit %d", b, err, want)
	}
}

func (r *run) addr(listener string) string {
	r.t.Helper()
	var s struct {
		Listeners []struct {
			Name      string
			Addresses []string
		}
	}
	_, b := r.admin("GET", "/status")
	if err := json.Unmarshal(b, &s); err != nil {
		r.t.Fatal(err)
	}
	for _, l := range s.Listeners {
		if l.Name == listener {
			return l.Addresses[0]
		}
	}
	r.t.Fatalf("no listener %q in %s", listener, b)
	return ""
}

// gauges reads metrics without labels.
func (r *run) gauges(names ...string) []int {
	r.t.Helper()
	_, b := r.admin("GET", "/metrics")
	out := make([]int, len(names))
	for i, n := range names {
		m := regexp.MustCompile(`(?m)^` + n + ` ([0-9.e+]+)$`).FindSubmatch(b)
		if m == nil {
			r.t.Fatalf("no metric %s", n)
		}
		f, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			r.t.Fatal(err)
		}
		out[i] = int(f)
	}
	return out
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
	r := startRun(t, build(t), fmt.Sprintf(keptConfig, ""))
	kept, sockets, split := r.addr("kept"), r.addr("sockets"), r.addr("split")

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
		r.write(fmt.Sprintf(keptConfig, changing(i)))
		r.reload(0)
		if err := fetch(http.DefaultClient, "http://"+split+"/", 50000); err != nil {
			t.Fatal(err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	names := []string{"go_goroutines", "process_open_fds"}
	before := r.gauges(names...)

	stop, requests, failed := make(chan struct{}), atomic.Int64{}, make(chan error, reloadClients)
	var clients sync.WaitGroup
	for i := range reloadClients {
		addr, want := kept, len("kept")
		if i%2 == 1 {
			addr, want = split, 50000
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
		r.write(fmt.Sprintf(keptConfig, changing(i)))
		r.reload(0)
		if i%50 == 7 { // a bad file in between changes nothing
			r.write(fmt.Sprintf(keptConfig, "listener \"bad\" {"))
			r.reload(2)
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
		after = r.gauges(names...)
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
