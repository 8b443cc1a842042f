package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/daemon"
	"github.com/porticod/portico/pkg/mux"
)

// readTimeout is shorter than a stream of events lasts.
const readTimeout = 1500 * time.Millisecond

// fixture is a server with a made-up daemon behind it.
type fixture struct {
	*admin.Server
	client *admin.Client
	path   string

	ready   error
	reloads []bool // dry or not
}

func start(t *testing.T) *fixture {
	t.Helper()
	dir, err := os.MkdirTemp("", "adm") // t.TempDir() can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &fixture{path: filepath.Join(dir, "run", "admin.sock")}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "portico_test", Help: "A metric."}))
	f.Server = admin.New(admin.WithReadTimeout(admin.Options{
		Log: zerolog.New(zerolog.NewTestWriter(t)),
		Status: func() daemon.Status {
			return daemon.Status{Version: "1.2.3", Generation: 7, Ready: true, Listeners: []daemon.ListenerStatus{{Name: "<web>", Addresses: []string{"127.0.0.1:80"}}}}
		},
		Sockets: func() []daemon.SocketInfo {
			return []daemon.SocketInfo{{Listener: "web", Info: mux.Info{ID: 3, Peer: "127.0.0.1:9", State: mux.StateIdle, Opened: time.Now().Add(-time.Minute), In: 10, Out: 20}}}
		},
		Ready: func(context.Context) error { return f.ready },
		Reload: func(_ context.Context, dry bool) admin.Reload {
			f.reloads = append(f.reloads, dry)
			return admin.Reload{OK: !dry, Exit: 2, Text: "a text", Diagnostics: json.RawMessage(`{"valid":false}`)}
		},
		Metrics: metrics,
		Users: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
				return
			}
			w.Write(append([]byte(`{"path":"`+r.URL.Path+`","bytes":`), append([]byte(json.Number(itoa(len(b)))), '}')...))
		}),
	}, readTimeout))
	if err := f.ServeSocket(f.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.client = admin.NewClient(f.path)
	return f
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestCalls(t *testing.T) {
	f, ctx := start(t), t.Context()
	s, err := f.client.Status(ctx)
	if err != nil || s.Version != "1.2.3" || s.Generation != 7 {
		t.Errorf("status: %+v, %v", s, err)
	}
	list, err := f.client.Sockets(ctx)
	if err != nil || len(list) != 1 || list[0].State != "idle" || list[0].BytesOut != 20 || list[0].Age < 59 {
		t.Errorf("sockets: %+v, %v", list, err)
	}
	r, err := f.client.Reload(ctx, true)
	if err != nil || r.OK || r.Exit != 2 || r.Text != "a text" || string(r.Diagnostics) != `{"valid":false}` {
		t.Errorf("dry reload: %+v, %v", r, err)
	}
	if r, err := f.client.Reload(ctx, false); err != nil || !r.OK {
		t.Errorf("reload: %+v, %v", r, err)
	}
	if len(f.reloads) != 2 || !f.reloads[0] || f.reloads[1] {
		t.Errorf("reloads: %v", f.reloads)
	}
	if err := f.client.Ping(ctx); err != nil {
		t.Error(err)
	}
	var got struct {
		Path  string
		Bytes int
	}
	if err := f.client.Do(ctx, http.MethodPost, "/users/add", map[string]string{"username": "ann"}, &got); err != nil || got.Path != "/users/add" {
		t.Errorf("users: %+v, %v", got, err)
	}
}

func TestReadiness(t *testing.T) {
	f, ctx := start(t), t.Context()
	if err := f.client.Do(ctx, http.MethodGet, "/readyz", nil, nil); err != nil {
		t.Error(err)
	}
	f.ready = errors.New("service chat.whatsapp: disk full")
	err := f.client.Do(ctx, http.MethodGet, "/readyz", nil, nil)
	var e *admin.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || !strings.Contains(e.Message, "disk full") {
		t.Errorf("got %v", err)
	}
	if err := f.client.Do(ctx, http.MethodGet, "/healthz", nil, nil); err != nil {
		t.Errorf("a daemon that is not ready is alive all the same: %v", err)
	}
}

// What is served beside the typed calls, and what is not.
func TestPaths(t *testing.T) {
	f := start(t)
	for _, c := range []struct {
		method, path string
		status       int
		has          string
	}{
		{"GET", "/metrics", 200, "portico_test"},
		{"GET", "/debug/pprof/", 200, "goroutine"},
		{"GET", "/debug/pprof/goroutine?debug=1", 200, "goroutine profile"},
		{"GET", "/reload", 405, ""},
		{"POST", "/status", 405, ""},
		{"GET", "/none", 404, ""},
	} {
		req, err := http.NewRequest(c.method, admin.Base+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := f.client.HTTP().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.status || !strings.Contains(string(b), c.has) {
			t.Errorf("%s %s: %s, %.200s", c.method, c.path, res.Status, b)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	f := start(t)
	res, err := f.client.HTTP().Post(admin.Base+"/users/add", "application/json", strings.NewReader(strings.Repeat("x", 2<<20)))
	if err != nil {
		return // cut off: as good
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %s", res.Status)
	}
}

// Nobody but the owner gets at the socket, whatever the umask is.
func TestSocketMode(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	f := start(t)
	fi, err := os.Stat(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v", fi.Mode())
	}
	if dir, _ := os.Stat(filepath.Dir(f.path)); dir.Mode().Perm() != 0o700 {
		t.Errorf("its folder has mode %v", dir.Mode())
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false) // as after kill -9
	ln.Close()
	s := admin.New(admin.Options{Log: zerolog.Nop()})
	if err := s.ServeSocket(path); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left behind")
	}
}

func TestOthersSocketsAreLeftAlone(t *testing.T) {
	f := start(t)
	second := admin.New(admin.Options{Log: zerolog.Nop()})
	if err := second.ServeSocket(f.path); err == nil || !strings.Contains(err.Error(), "another daemon answers there") {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(shortDir(t), "f")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := second.ServeSocket(file); err == nil || !strings.Contains(err.Error(), "it is no socket") {
		t.Errorf("got %v", err)
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Error("the file is gone")
	}
	if err := second.ServeSocket("/tmp/" + strings.Repeat("x", 120)); err == nil || !strings.Contains(err.Error(), "only 107") {
		t.Errorf("got %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if err := f.client.Ping(t.Context()); err != nil {
		t.Errorf("the first server suffered: %v", err)
	}
}

// A server that ends late does not take away the socket of its successor.
func TestCloseLeavesTheSuccessor(t *testing.T) {
	f := start(t)
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	next := admin.New(admin.Options{Log: zerolog.Nop()})
	if err := next.ServeSocket(f.path); err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.client.Ping(t.Context()); err != nil {
		t.Errorf("the successor cannot be reached: %v", err)
	}
}

func TestClientWithoutDaemon(t *testing.T) {
	dir := shortDir(t)
	if _, err := admin.NewClient(filepath.Join(dir, "none")).Status(t.Context()); !errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("no file: %v", err)
	}
	dead := filepath.Join(dir, "dead")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	if _, err := admin.NewClient(dead).Status(t.Context()); !errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("nobody listens: %v", err)
	}
}

// To somebody who is not trusted nothing is sent.
func TestClientOfSomebody(t *testing.T) {
	f := start(t)
	var asked []int
	trusted := func(answer bool) func(int) bool {
		return func(uid int) bool {
			asked = append(asked, uid)
			return answer
		}
	}
	if err := admin.NewClientOf(f.path, trusted(true)).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := admin.NewClientOf(f.path, trusted(false)).Reload(t.Context(), true)
	if err == nil || !strings.Contains(err.Error(), "belongs to another user") || len(f.reloads) > 0 {
		t.Errorf("got %v, reloads %v", err, f.reloads)
	}
	if want := []int{os.Getuid(), os.Getuid()}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}

// A daemon that answers nonsense, or nothing, is no reason to crash or to wait.
func TestClientAgainstNonsense(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan http.HandlerFunc, 1)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (<-answers)(w, r) })}
	go srv.Serve(ln)
	defer srv.Close()
	c := admin.NewClient(path)

	answers <- func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "understand the daemon") {
		t.Errorf("got %v", err)
	}
	answers <- func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, strings.Repeat("no ", 1000), http.StatusTeapot)
	}
	var e *admin.Error
	if _, err := c.Status(t.Context()); !errors.As(err, &e) || e.Status != http.StatusTeapot || len(e.Message) > 600 {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	answers <- func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	if _, err := c.Status(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// The TCP address shows what is for reading, and nothing else.
func TestPublicPages(t *testing.T) {
	f := start(t)
	commit, _, err := f.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	commit()
	for path, want := range map[string]int{
		"/": 200, "/web/app.js": 200, "/view": 200, "/metrics": 200, "/healthz": 200, "/readyz": 200,
		"/status": 404, "/sockets": 404, "/debug/pprof/": 404, "/users/list": 404, "/reload": 404,
	} {
		res, err := http.Get("http://" + f.Address() + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET %s: %s", path, res.Status)
		}
	}
}

// The TCP address moves only when the rest of a reload went well.
func TestListenIsTwoSteps(t *testing.T) {
	f, ctx := start(t), t.Context()
	commit, _, err := f.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	commit()
	first := f.Address()

	_, undo, err := f.Listen(ctx, "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	undo()
	if f.Address() != first {
		t.Errorf("undone, but the address is %s", f.Address())
	}
	if _, _, err := f.Listen(ctx, first); err == nil || !strings.Contains(err.Error(), "admin.address") {
		t.Errorf("an address in use: %v", err)
	}
	commit, _, err = f.Listen(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	commit()
	if res, err := http.Get("http://" + first + "/healthz"); err == nil {
		res.Body.Close()
		t.Error("the address is still served")
	}
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "adm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Where the socket's mode does not keep others out, its server does.
func TestOnlyTheOwner(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	me, root, other := os.Getuid(), 0, os.Getuid()+1
	for _, c := range []struct {
		uid    *int
		status int
	}{{&me, 200}, {&root, 200}, {&other, 403}, {nil, 403}} {
		w := httptest.NewRecorder()
		admin.AsPeer(ok, c.uid).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/status", nil))
		if w.Code != c.status {
			t.Errorf("uid %v: %d", c.uid, w.Code)
		}
	}
}
