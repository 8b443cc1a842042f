package proxy_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/allocs"
	"github.com/porticod/portico/services/proxy"
)

// rawBackend answers requests with whole answers that answer makes, byte for
// byte, and counts its connections. "" ends the connection.
func rawBackend(t testing.TB, answer func(*http.Request) string) (url string, conns *atomic.Int32) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns = new(atomic.Int32)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			_ = c.SetDeadline(time.Now().Add(patience))
			all.Go(func() {
				defer c.Close()
				for br := bufio.NewReader(c); ; {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					b := answer(r)
					if _, err := io.WriteString(c, b); err != nil || b == "" {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close() })
	return "http://" + ln.Addr().String(), conns
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"

// One connection serves one request after the other, whatever ends the answer.
func TestPlainConnectionsAreUsedAgain(t *testing.T) {
	up, conns := rawBackend(t, func(r *http.Request) string {
		switch r.URL.Path {
		case "/chunked":
			return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n"
		case "/hint":
			return "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + fine
		case "/none":
			return "HTTP/1.1 204 No Content\r\n\r\n"
		}
		if r.Method == http.MethodHead {
			return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
		}
		return fine
	})
	_, _, srv := open(t, one(up))
	for range 3 {
		for path, want := range map[string]string{"/": "200 fine", "/chunked": "200 fine", "/hint": "200 fine", "/none": "204 "} {
			if got := get(t, srv, path); got != want {
				t.Errorf("%s: %s", path, got)
			}
		}
		if res, _ := do(t, srv, request(t, http.MethodHead, srv.URL, nil)); res.ContentLength != 4 {
			t.Errorf("HEAD: %d bytes", res.ContentLength)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections, not one", n)
	}
}

// What an upstream says without being asked is nobody's answer.
func TestUnaskedAnswersAreDropped(t *testing.T) {
	bad := "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"
	late := make(chan net.Conn, 1)
	up, conns := rawBackend(t, func(r *http.Request) string {
		if r.URL.Path == "/two" {
			return fine + bad
		}
		return fine
	})
	_, _, srv := open(t, one(up))
	for _, path := range []string{"/two", "/", "/"} {
		if got := get(t, srv, path); got != "200 fine" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if n := conns.Load(); n != 2 {
		t.Errorf("%d connections, not two", n)
	}

	// Also when it comes while the connection waits.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	backend := httptest.Server{Listener: ln, Config: &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hijack" {
			_, _ = io.WriteString(w, "fine")
			return
		}
		c, rw, _ := http.NewResponseController(w).Hijack()
		_, _ = rw.WriteString(fine)
		_ = rw.Flush()
		late <- c
	})}}
	backend.Start()
	defer backend.Close()
	_, _, srv = open(t, one(backend.URL))
	if got := get(t, srv, "/hijack"); got != "200 fine" {
		t.Error(got)
	}
	c := <-late
	defer c.Close()
	_, _ = io.WriteString(c, bad)
	if got := get(t, srv, "/"); got != "200 fine" {
		t.Error(got)
	}
}

// A connection that the upstream ended is no failure, also where that shows only
// when it is used.
func TestPlainConnectionEndsWhileItWaits(t *testing.T) {
	var n atomic.Int32
	up, conns := rawBackend(t, func(*http.Request) string {
		if n.Add(1) == 2 {
			return ""
		}
		return fine
	})
	_, _, srv := open(t, one(up, func(c *proxy.Config) { c.Retry.Attempts = 1 }))
	for range 3 {
		if got := get(t, srv, "/"); got != "200 fine" {
			t.Error(got)
		}
	}
	if n := conns.Load(); n != 2 {
		t.Errorf("%d connections, not two", n)
	}
}

func TestHugeHeaderOfAnAnswer(t *testing.T) {
	up, _ := rawBackend(t, func(*http.Request) string {
		return "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300<<10) + "\r\n\r\n"
	})
	_, _, srv := open(t, one(up))
	if got := get(t, srv, "/"); !strings.HasPrefix(got, "502 ") {
		t.Errorf("%.60s", got)
	}
}

// A client that leaves takes its connection to the upstream along, and unused
// ones end after keep_alive.
func TestPlainConnectionsEnd(t *testing.T) {
	gone := make(chan string, 2)
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			return
		}
		_, _ = io.WriteString(w, "begin")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- "client"
	}))
	up.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			gone <- "closed"
		}
	}
	up.Start()
	defer up.Close()
	_, _, srv := open(t, one(up.URL, func(c *proxy.Config) { c.Timeouts.KeepAlive = 20 * time.Millisecond }))
	get(t, srv, "/")
	if why := <-gone; why != "closed" {
		t.Error(why)
	}
	res, err := srv.Client.Do(request(t, http.MethodGet, srv.URL+"/long", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	for range 2 {
		select {
		case <-gone:
		case <-time.After(patience):
			t.Fatal("the upstream did not learn that its client has left")
		}
	}
}

// A nowhere takes an answer and keeps nothing.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }

// What a request costs between the listener and the upstream. More than this is
// no mistake, but wants a reason.
func TestAllocations(t *testing.T) {
	const most = 7 // 5, and 2 more with the race detector, which has pools forget a quarter
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() { // allocates nothing
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, answer := make([]byte, 4<<10), []byte(fine)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}()
	s, _, _ := open(t, one("http://"+ln.Addr().String()))
	r := httptest.NewRequest(http.MethodGet, "http://example.org/path?query", nil)
	r.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {"test"}, "X-Request-Id": {"1"}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r = r.WithContext(ctx)
	w := nowhere{http.Header{}}
	n := allocs.Per(200, most, func() { clear(w.header); s.ServeHTTP(w, r) })
	t.Logf("%.0f allocations", n)
	if n > most {
		t.Errorf("%.0f allocations for a request, more than %d", n, most)
	}
}

// Whatever an upstream answers, the next request gets its own answer.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{fine, fine + fine, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nto the end", "\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\nextra"} {
		f.Add([]byte(s))
	}
	var first atomic.Pointer[[]byte]
	up, _ := rawBackend(f, func(r *http.Request) string {
		if r.URL.Path == "/first" {
			return string(*first.Load())
		}
		return fine
	})
	_, _, srv := open(f, one(up, func(c *proxy.Config) {
		c.Passive.Fails = 0
		c.Timeouts.Header, c.Timeouts.Idle = 20*time.Millisecond, 20*time.Millisecond
	}))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) > 4<<10 {
			return // it might come in parts, of which the last is not here yet
		}
		first.Store(&answer)
		if res, err := srv.Client.Get(srv.URL + "/first"); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		got := get(t, srv, "/")
		for begun := time.Now(); strings.HasPrefix(got, "504 ") && time.Since(begun) < patience; { // 20 ms are little on a busy machine
			got = get(t, srv, "/")
		}
		if got != "200 fine" {
			t.Fatalf("after %q: %s", answer, got)
		}
	})
}
