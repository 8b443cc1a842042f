package servicetest

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/http1"
	"github.com/porticod/portico/pkg/service"
)

// conn is what services get from the daemon: not a *net.TCPConn itself but a
// struct that embeds one, with Close hooked and NetConn for splice.
type conn struct {
	*net.TCPConn
	forget func(*conn)
	once   sync.Once
}

// NetConn is the kernel's socket.
func (c *conn) NetConn() net.Conn { return c.TCPConn }

func (c *conn) Close() error {
	c.once.Do(func() { c.forget(c) })
	return c.TCPConn.Close()
}

// acceptor listens on a free port of loopback and keeps what it accepted.
type acceptor struct {
	*net.TCPListener
	mu    sync.Mutex
	conns map[*conn]struct{}
}

func listen(t testing.TB) *acceptor {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	return &acceptor{TCPListener: ln, conns: map[*conn]struct{}{}}
}

func (a *acceptor) Accept() (net.Conn, error) {
	tc, err := a.AcceptTCP()
	if err != nil {
		return nil, err
	}
	c := &conn{TCPConn: tc, forget: a.forget}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns[c] = struct{}{}
	return c, nil
}

func (a *acceptor) forget(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c)
}

// cut closes what is open and says how much that was.
func (a *acceptor) cut() int {
	a.mu.Lock()
	left := make([]*conn, 0, len(a.conns))
	for c := range a.conns {
		left = append(left, c)
	}
	a.mu.Unlock()
	for _, c := range left {
		_ = c.Close()
	}
	return len(left)
}

// dial connects to a server of this package, with a deadline for everything.
func dial(addr string) (*net.TCPConn, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// Pipe is a pair of connected TCP sockets, closed at the end of the test. What
// was server in the handshake has the type that services get.
func Pipe(t testing.TB) (client *net.TCPConn, server net.Conn) {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	client, err := dial(ln.Addr().String())
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	server, err = ln.Accept()
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	return client, server
}

// HTTPServer serves a handler on a free port of loopback as the daemon's would.
type HTTPServer struct {
	URL    string // without a slash at the end
	Addr   string
	Client *http.Client // follows no redirects

	t    testing.TB
	ln   *acceptor
	ctx  context.Context // of all requests
	kill context.CancelFunc
	busy atomic.Int64 // requests
	done chan struct{}
	once sync.Once
}

// HTTP starts a server, which the end of the test closes. A panic of the
// handler fails the test.
func HTTP(t testing.TB, h http.Handler) *HTTPServer {
	t.Helper()
	ln := listen(t)
	ctx, kill := context.WithCancel(context.Background())
	tr := &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}
	s := &HTTPServer{
		URL:  "http://" + ln.Addr().String(),
		Addr: ln.Addr().String(),
		Client: &http.Client{
			Transport:     tr,
			Timeout:       3 * patience,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		t: t, ln: ln, ctx: ctx, kill: kill, done: make(chan struct{}),
	}
	srv := &http1.Server{
		Handler: s.counted(h), HeaderTimeout: patience, IdleTimeout: patience, MaxHeader: http.DefaultMaxHeaderBytes,
		Context:  func(net.Conn) context.Context { return context.Background() },
		State:    func(net.Conn, http.ConnState) {},
		ErrorLog: log.New(panics{t}, "", 0),
	}
	go func() {
		defer close(s.done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go srv.ServeConn(c)
		}
	}()
	t.Cleanup(s.Close)
	return s
}

// counted has h called with a context that Kill ends.
func (s *HTTPServer) counted(h http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.busy.Add(1)
		defer s.busy.Add(-1)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.ctx, cancel)()
		h.ServeHTTP(w, r.WithContext(ctx))
	}
}

// Kill ends the context of every request, as the daemon does when time is up.
func (s *HTTPServer) Kill() { s.kill() }

// Close ends the server and everything that is still connected. It may be called
// more than once.
func (s *HTTPServer) Close() {
	s.once.Do(func() {
		s.Kill()
		s.Client.CloseIdleConnections()
		_ = s.ln.TCPListener.Close()
		<-s.done
		for end := time.Now().Add(patience); s.busy.Load() > 0; <-time.After(time.Millisecond) {
			if time.Now().After(end) {
				s.t.Errorf("requests did not end %v after their context did", patience)
				break
			}
		}
		s.ln.cut()
	})
}

// panics fails a test when the server logs that a handler panicked.
type panics struct{ t testing.TB }

func (p panics) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "panic") {
		p.t.Errorf("%s", b)
	}
	return len(b), nil
}

// RawServer hands connections to a ConnHandler on a free port of loopback.
type RawServer struct {
	Addr string

	t     testing.TB
	ln    *acceptor
	kill  context.CancelFunc
	calls sync.WaitGroup
	once  sync.Once
}

// Raw starts a server, which the end of the test closes. A panic of the handler
// fails the test, and so does a connection that it leaves open.
func Raw(t testing.TB, h service.ConnHandler) *RawServer {
	t.Helper()
	ctx, kill := context.WithCancel(context.Background())
	s := &RawServer{t: t, ln: listen(t), kill: kill}
	s.Addr = s.ln.Addr().String()
	s.calls.Go(func() {
		for {
			c, err := s.ln.Accept()
			if err != nil {
				return
			}
			s.calls.Go(func() { s.serve(ctx, h, c.(*conn)) })
		}
	})
	t.Cleanup(s.Close)
	return s
}

func (s *RawServer) serve(ctx context.Context, h service.ConnHandler, c *conn) {
	defer func() {
		if v := recover(); v != nil {
			s.t.Errorf("ServeConn panicked: %v\n%s", v, debug.Stack())
		}
		if err := c.SetDeadline(time.Time{}); err == nil {
			s.t.Error("ServeConn returned without closing its connection")
			_ = c.Close()
		}
	}()
	h.ServeConn(ctx, c)
}

// Kill ends the context of every connection.
func (s *RawServer) Kill() { s.kill() }

// Close stops listening, ends the contexts and waits for the handlers.
func (s *RawServer) Close() {
	s.once.Do(func() {
		_ = s.ln.TCPListener.Close()
		s.kill()
		if err := within(patience, s.calls.Wait); err != nil {
			s.t.Errorf("ServeConn did not return %v after its context ended", patience)
			s.ln.cut()
		}
	})
}

// within runs f in a goroutine and waits for it.
func within(d time.Duration, f func()) error {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
		return nil
	case <-time.After(d):
		return fmt.Errorf("not done after %v", d)
	}
}
