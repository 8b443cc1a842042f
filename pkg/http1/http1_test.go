package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/internal/testkit/allocs"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/http1"
)

// The context of a request ends when its client leaves, for those who wait on it
// directly and by way of others, and only when it leaves.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(context.Context){
		"done":  func(ctx context.Context) { <-ctx.Done() },
		"child": func(ctx context.Context) { c, stop := context.WithCancel(ctx); defer stop(); <-c.Done() },
		"after": func(ctx context.Context) {
			c := make(chan struct{})
			context.AfterFunc(ctx, func() { close(c) })
			<-c
		},
		"asks": func(ctx context.Context) {
			for ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
		},
	} {
		for _, request := range []string{get("/"), post("/", "Content-Length: 5", "hello"), post("/", chunked, "5\r\nhello\r\n0\r\n\r\n")} {
			begun, ended := make(chan struct{}), make(chan error)
			r := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if v := r.Context().Value(addrKey{}); v != r.RemoteAddr {
					t.Errorf("a value of the connection: %v", v)
				}
				_, _ = io.Copy(io.Discard, r.Body)
				close(begun)
				wait(r.Context())
				ended <- context.Cause(r.Context())
			})
			c, _ := r.dial(t)
			send(t, c, request)
			<-begun
			select {
			case <-ended:
				t.Errorf("%s: ended, and the client is there", name)
			case <-time.After(20 * time.Millisecond):
			}
			_ = c.Close()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Who waits costs no goroutine beside the one that watches, and who does not, none.
func TestWatchesCostNothing(t *testing.T) {
	for _, watched := range []int{0, 1} {
		more := make(chan int, 1)
		r := serve(t, func(w http.ResponseWriter, r *http.Request) {
			before := runtime.NumGoroutine()
			for range 10 * watched {
				ctx, cancel := context.WithTimeout(r.Context(), patience)
				defer cancel()
				ctx.Done()
			}
			more <- runtime.NumGoroutine() - before
		})
		c, br := r.dial(t)
		wait.Right(t, func() string { // those of tests before may end just then
			send(t, c, get("/"))
			next(t, br, "GET")
			if n := <-more; n != watched {
				return fmt.Sprintf("%d goroutines more, want %d", n, watched)
			}
			return ""
		})
	}
}

// A request's context has ended when the handler has returned, also for who asks
// only then.
func TestContextEndsWithHandler(t *testing.T) {
	t.Parallel()
	var kept context.Context
	var waited <-chan struct{}
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if kept = r.Context(); r.URL.Path == "/wait" {
			waited = kept.Done()
		}
	})
	for _, path := range []string{"/", "/wait"} {
		c, br := r.dial(t)
		for range 2 {
			send(t, c, get(path))
			next(t, br, "GET")
			if waited != nil {
				<-waited
			}
			<-kept.Done()
			if err := kept.Err(); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// What comes while a request is watched is the next one's, to the last byte.
func TestPipelinedWhileWatched(t *testing.T) {
	t.Parallel()
	come := make(chan struct{}, 1)
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		r.Context().Done()
		if r.URL.Path == "/first" {
			<-come
		}
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %v", r.URL.Path, b, r.Context().Err())
	})
	c, br := r.dial(t)
	send(t, c, get("/first"))
	send(t, c, post("/second", "Content-Length: 5", "hello")+get("/third"))
	time.Sleep(10 * time.Millisecond) // not needed, but then the byte is there
	come <- struct{}{}
	for _, want := range []string{"/first  <nil>", "/second hello <nil>", "/third  <nil>"} {
		if _, body := next(t, br, "GET"); body != want {
			t.Errorf("%q, want %q", body, want)
		}
	}
}

// Many requests at once are answered in order, however they come.
func TestPipelined(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.URL.Path, b)
	})
	var all strings.Builder
	for i := range 500 {
		all.WriteString(post(fmt.Sprint("/", i), "Content-Length: 3", "abc"))
		all.WriteString(post(fmt.Sprint("/", i), chunked, "1\r\nd\r\n2\r\nef\r\n0\r\n\r\n"))
	}
	for _, step := range []int{1, 7, 4096, 1 << 20} {
		c, br := r.dial(t)
		go func() {
			for text := all.String(); text != ""; {
				n := min(step, len(text))
				if _, err := io.WriteString(c, text[:n]); err != nil {
					return
				}
				text = text[n:]
			}
		}()
		for i := range 1000 {
			want := fmt.Sprint("/", i/2, " ", []string{"abc", "def"}[i%2])
			if _, body := next(t, br, "POST"); body != want {
				t.Fatalf("in steps of %d: %q, want %q", step, body, want)
			}
		}
	}
}

// Who takes a connection over gets what came with the request, all of it, and a
// connection without deadlines that nobody else reads.
func TestHijack(t *testing.T) {
	t.Parallel()
	for _, watched := range []bool{false, true} {
		for _, rest := range []string{"", "rest", strings.Repeat("rest", 3000)} {
			r := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if watched {
					r.Context().Done()
				}
				nc, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrHijacked) {
					t.Errorf("Write after Hijack: %v", err)
				}
				if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, http.ErrHijacked) {
					t.Errorf("Hijack after Hijack: %v", err)
				}
				go func() {
					defer nc.Close()
					b := make([]byte, len(rest)+4)
					if _, err := io.ReadFull(rw, b); err != nil {
						t.Error(err)
					}
					rw.Write(b)
					rw.Flush()
				}()
			})
			c, _ := r.dial(t)
			send(t, c, get("/")+rest)
			send(t, c, "more")
			if got, err := io.ReadAll(c); err != nil || string(got) != rest+"more" {
				t.Errorf("%d bytes of %d, %v", len(got), len(rest)+4, err)
			}
			wait.Until(t, "the states are not active and hijacked", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				for _, s := range r.states {
					return slices.Equal(s, []http.ConnState{http.StateActive, http.StateHijacked})
				}
				return false
			})
		}
	}
}

// Kept is what a handler may keep: its request is not used for the next one.
func TestRequestsAreKept(t *testing.T) {
	t.Parallel()
	var kept []*http.Request
	var headers []http.Header
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		kept, headers = append(kept, r), append(headers, r.Header.Clone())
		w.Header().Set("X", "y")
	})
	c, br := r.dial(t)
	for i := range 20 {
		send(t, c, fmt.Sprintf("POST /%d?q=%d HTTP/1.1\r\nHost: x%d\r\nA: %s\r\nContent-Length: 1\r\n\r\n%d", i, i, i, strings.Repeat(fmt.Sprint(i), 500), i%10))
		next(t, br, "POST")
	}
	for i, k := range kept {
		if k.URL.Path != fmt.Sprint("/", i) || k.URL.RawQuery != fmt.Sprint("q=", i) || k.Host != fmt.Sprint("x", i) || !reflect.DeepEqual(k.Header, headers[i]) {
			t.Errorf("request %d has become %v %v %v", i, k.URL, k.Host, k.Header)
		}
		wait.Until(t, "its body can be read after the answer", func() bool { // which comes before the end of all
			_, err := k.Body.Read(make([]byte, 1))
			return errors.Is(err, http.ErrBodyReadAfterClose)
		})
	}
}

// A panic ends its connection, and only that, and is told with its stack, if it is
// not one that says nothing.
func TestPanic(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "half")
		switch r.URL.Path {
		case "/exit":
			runtime.Goexit()
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		panic("oh no")
	})
	for _, path := range []string{"/exit", "/abort", "/panic"} {
		c, br := r.dial(t)
		send(t, c, get(path))
		if res, err := http.ReadResponse(br, nil); err == nil {
			if _, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("%s: the answer is whole", path)
			}
		}
	}
	if said := r.log.String(); strings.Count(said, "panic serving 127.0.0.1") != 1 || !strings.Contains(said, "oh no") || !strings.Contains(said, "http1_test.go") {
		t.Errorf("it is told: %s", said)
	}
}

// A client that sends more than anybody wants to read gets its answer, not a reset.
func TestUnwantedBody(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/close" {
			w.Header().Set("Connection", "close")
		}
		http.Error(w, "no", http.StatusRequestEntityTooLarge)
	})
	for range 20 {
		for _, path := range []string{"/", "/close"} {
			c, br := r.dial(t)
			send(t, c, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
			send(t, c, strings.Repeat("x", 50_000))
			if res, body := next(t, br, "POST"); res.StatusCode != http.StatusRequestEntityTooLarge || body != "no\n" || !res.Close {
				t.Fatalf("%s: %s %q", path, res.Status, body)
			}
		}
	}
}

// Bodies may be read by others, while the answer is written and after the handler
// has returned: then in vain.
func TestBodyIsReadElsewhere(t *testing.T) {
	t.Parallel()
	var readers sync.WaitGroup
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		body := r.Body
		readers.Go(func() { _, _ = io.Copy(io.Discard, body) })
		if r.URL.Path == "/close" {
			w.Header().Set("Connection", "close")
		}
		io.WriteString(w, "answer")
	})
	for _, path := range []string{"/", "/close"} {
		c, br := r.dial(t)
		send(t, c, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
		if _, body := next(t, br, "POST"); body != "answer" {
			t.Errorf("%s: %q", path, body)
		}
		_ = c.Close()
	}
	readers.Wait()
}

// pipe serves one end of a pipe, whose clock is the bubble's, and returns the other.
func pipe(t *testing.T, s *http1.Server, over ...func(client, server net.Conn) (net.Conn, net.Conn)) (net.Conn, *bufio.Reader) {
	client, server := net.Pipe()
	for _, o := range over {
		client, server = o(client, server)
	}
	t.Cleanup(func() { _ = client.Close() })
	s.Context = func(net.Conn) context.Context { return context.Background() }
	s.State = func(net.Conn, http.ConnState) {}
	if s.Handler == nil {
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	}
	s.MaxHeader = 64 << 10
	go s.ServeConn(server)
	return client, bufio.NewReader(client)
}

// closes reports after how long the other side closes c.
func closes(c net.Conn) time.Duration {
	start := time.Now()
	_, _ = io.Copy(io.Discard, c)
	return time.Since(start)
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		say         string
		answers     int
		after, most time.Duration
	}{
		"silent":         {"", 0, 3 * time.Second, 3 * time.Second},
		"half a header":  {"GET / HT", 0, 3 * time.Second, 3 * time.Second},
		"idle":           {get("/"), 1, 10 * time.Second, 10 * time.Second},
		"half a second":  {get("/") + "GET / HT", 1, 3 * time.Second, 3 * time.Second},
		"idle once more": {get("/") + get("/"), 2, 10 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, br := pipe(t, &http1.Server{HeaderTimeout: 3 * time.Second, IdleTimeout: 10 * time.Second})
				if tt.say != "" {
					go func() { _, _ = io.WriteString(c, tt.say) }()
				}
				for range tt.answers {
					next(t, br, "GET")
				}
				if took := closes(c); took < tt.after || took > tt.most {
					t.Errorf("closed after %v", took)
				}
			})
		})
	}
}

// Requests come after any pause up to the idle time, and never a moment too late.
func TestPauses(t *testing.T) {
	t.Parallel()
	donor := httptest.NewTLSServer(nil) // for its certificate
	defer donor.Close()
	inside := func(client, server net.Conn) (net.Conn, net.Conn) {
		return tls.Client(client, &tls.Config{InsecureSkipVerify: true}), tls.Server(server, &tls.Config{Certificates: donor.TLS.Certificates})
	}
	plain := func(client, server net.Conn) (net.Conn, net.Conn) { return client, server }
	for _, over := range []func(client, server net.Conn) (net.Conn, net.Conn){plain, inside} {
		for _, idle := range []time.Duration{100 * time.Millisecond, 900 * time.Millisecond, 2 * time.Second, time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				c, br := pipe(t, &http1.Server{HeaderTimeout: time.Second, IdleTimeout: idle}, over)
				for range 3 {
					for _, part := range []int{0, 1, 3, 5, 9} {
						time.Sleep(idle * time.Duration(part) / 10)
						go func() { _, _ = io.WriteString(c, post("/", "Content-Length: 2", "ab")) }()
						if _, body := next(t, br, "POST"); body != "ab" {
							t.Errorf("%q", body)
						}
					}
				}
				if took := closes(c); took != idle {
					t.Errorf("with %v it was closed after %v", idle, took)
				}
			})
		}
	}
}

// A handler's deadlines end with its answer.
func TestDeadlinesOfHandlers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, br := pipe(t, &http1.Server{HeaderTimeout: time.Second, IdleTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctl := http.NewResponseController(w)
			_ = ctl.SetReadDeadline(time.Now().Add(2 * time.Second))
			_ = ctl.SetWriteDeadline(time.Now().Add(5 * time.Second))
			_, err := io.ReadAll(r.Body)
			fmt.Fprint(w, err)
		})})
		for range 3 {
			send(t, c, get("/"))
			if _, body := next(t, br, "GET"); body != "<nil>" {
				t.Errorf("%q", body)
			}
			time.Sleep(10 * time.Second)
		}
		go func() { _, _ = io.WriteString(c, post("/", "Content-Length: 5", "abc")) }()
		if res, body := next(t, br, "POST"); !strings.Contains(body, "timeout") || !res.Close {
			t.Errorf("%q, close %v", body, res.Close)
		}
	})
}

// Who speaks HTTP/2 is somebody else's, with every byte that came.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	got := make(chan string, 1)
	r := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request came of it") }, func(s *http1.Server) {
		s.HTTP2 = func(nc net.Conn, begun []byte) {
			rest, _ := io.ReadAll(nc)
			got <- string(begun) + string(rest)
		}
	})
	for _, cut := range []int{0, 1, 14, 24, 30} {
		c, _ := r.dial(t)
		text := preface + "and frames"
		send(t, c, text[:cut])
		time.Sleep(time.Millisecond) // not needed
		send(t, c, text[cut:])
		_ = c.(*net.TCPConn).CloseWrite()
		if g := <-got; g != text {
			t.Errorf("cut at %d: %q", cut, g)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	donor := httptest.NewTLSServer(nil) // for its certificate
	defer donor.Close()
	config := donor.TLS.Clone()
	config.NextProtos = []string{"h2", "http/1.1", "other"}
	two := make(chan bool, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		r.Context().Done()
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v %s", r.TLS.NegotiatedProtocol, r.TLS.HandshakeComplete, b)
	}, func(s *http1.Server) {
		s.HTTP2 = func(nc net.Conn, begun []byte) { two <- nc.(*tls.Conn) != nil && begun == nil; _ = nc.Close() }
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accept(t, ln, func(nc net.Conn) { s.ServeConn(tls.Server(nc, config)) })
	shake := func(protos ...string) *tls.Conn {
		return tls.Client(dial(t, ln.Addr().String()), &tls.Config{InsecureSkipVerify: true, NextProtos: protos})
	}
	for _, protos := range [][]string{nil, {"http/1.1"}} {
		c := shake(protos...)
		br := bufio.NewReader(c)
		big := strings.Repeat("0123456789", 10_000)
		for _, body := range []string{"", "abc", big} {
			send(t, c, post("/", fmt.Sprint("Content-Length: ", len(body)), body))
			if _, got := next(t, br, "POST"); got != strings.Join(protos, "")+" true "+body {
				t.Errorf("%.50q", got)
			}
		}
	}
	if c := shake("h2"); c.Handshake() != nil || !<-two {
		t.Error("HTTP/2 is not somebody else's")
	}
	if _, err := shake("other").Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("another protocol: %v", err)
	}
	plain := dial(t, ln.Addr().String())
	send(t, plain, get("/"))
	_, _ = io.Copy(io.Discard, plain)
	wait.Until(t, "the handshake is not told of", func() bool { return strings.Contains(s.log.String(), "TLS handshake error") })
}

// What is not HTTP is answered at its first line.
func TestNotHTTP(t *testing.T) {
	t.Parallel()
	r := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it is a request") })
	c, br := r.dial(t)
	send(t, c, "HELO example.org\r\n")
	if res, body := next(t, br, "GET"); res.StatusCode != http.StatusBadRequest || body != "400 Bad Request" || !res.Close {
		t.Errorf("%s %q", res.Status, body)
	}
}

// calls is how a connection was written to.
type calls struct{ writes, vectors, more, files int }

type vectored struct {
	net.Conn
	mu sync.Mutex
	calls
}

func (v *vectored) count(n *int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	*n++
}

func (v *vectored) Write(p []byte) (int, error) { v.count(&v.writes); return v.Conn.Write(p) }

func (v *vectored) WriteBuffers(b net.Buffers) (int64, error) {
	v.count(&v.vectors)
	return b.WriteTo(v.Conn)
}

func (v *vectored) WriteMore(p []byte) (int, error) { v.count(&v.more); return v.Conn.Write(p) }

func (v *vectored) ReadFrom(r io.Reader) (int64, error) {
	v.count(&v.files)
	return v.Conn.(io.ReaderFrom).ReadFrom(r)
}

// An answer takes as few writes as it can.
func TestWrites(t *testing.T) {
	t.Parallel()
	s := serve(t, handler(t))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan *vectored, 1)
	accept(t, ln, func(nc net.Conn) {
		v := &vectored{Conn: nc}
		conns <- v
		s.ServeConn(v)
	})
	part := "GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=100-1099\r\n\r\n"
	for request, want := range map[string]calls{
		get("/empty"): {writes: 1}, get("/html"): {writes: 1}, get("/large?n=4000"): {writes: 1}, get("/large?n=4000&length=4000"): {writes: 1},
		get("/none"): {writes: 1}, get("/file"): {more: 1, files: 1}, get("/copy"): {writes: 1}, get("/large?n=9000&length=9000"): {vectors: 1},
		part: {writes: 1},
	} {
		c := dial(t, ln.Addr().String())
		send(t, c, request)
		res, body := next(t, bufio.NewReader(c), "GET")
		if n := res.ContentLength; n != int64(len(body)) {
			t.Errorf("%q: %d bytes of %d", request, len(body), n)
		}
		v := <-conns
		v.mu.Lock()
		if v.calls != want {
			t.Errorf("%q: %+v, want %+v", request, v.calls, want)
		}
		v.mu.Unlock()
	}
}

// TestAllocations counts what a request on a kept-alive connection costs, beyond what
// its client does.
func TestAllocations(t *testing.T) {
	body := []byte("hello")
	r := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(body) })
	c, _ := r.dial(t)
	in := []byte("GET /a/path?query HTTP/1.1\r\nHost: example.org\r\nUser-Agent: test\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n")
	out := make([]byte, 4096)
	var size int
	ask := func() {
		if _, err := c.Write(in); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(out)
		if err != nil || !bytes.HasSuffix(out[:n], body) {
			t.Fatalf("%q %v", out[:n], err)
		}
		size = n
	}
	n := allocs.Per(500, 7, ask)
	t.Logf("%.1f allocations a request, %d bytes of answer", n, size)
	if n > 7 {
		t.Errorf("%.1f allocations a request, at most 7 wanted", n)
	}
}
