package mux_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/mux"
)

const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

func TestHTTP(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]mux.Look{"split": mux.LookSplit, "direct": mux.LookHTTP} {
		for network, start := range map[string]func(testing.TB, mux.Policy) *rig{"tcp": serve, "unix": serveUnix} {
			t.Run(name+" "+network, func(t *testing.T) {
				r := start(t, mux.Policy{Look: look})
				if got := r.exchange(request); !strings.HasSuffix(got, "hello HTTP/1.1") {
					t.Fatalf("got %q", got)
				}
				wait.Until(t, "nothing is open", func() bool { return r.Open() == 0 && r.Pending() == 0 })
				if n := r.metric("portico_listener_connections_total", "test"); n != 1 {
					t.Errorf("%v connections counted", n)
				}
				if n := r.metric("portico_listener_connections_open", ""); n != 0 {
					t.Errorf("%v connections open", n)
				}
			})
		}
	}
}

func TestRaw(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]mux.Look{"split": mux.LookSplit, "direct": mux.LookRaw} {
		for network, start := range map[string]func(testing.TB, mux.Policy) *rig{"tcp": serve, "unix": serveUnix} {
			t.Run(name+" "+network, func(t *testing.T) {
				r := start(t, mux.Policy{Look: look})
				if got := r.exchange("SSH-2.0-x\r\nmore"); got != "SSH-2.0-x\r\nmore" {
					t.Fatalf("got %q", got)
				}
				wait.Until(t, "nothing is open", func() bool { return r.Open() == 0 && r.Pending() == 0 })
			})
		}
	}
}

// TestRealSocket checks what a raw service is given.
func TestRealSocket(t *testing.T) {
	t.Parallel()
	got := make(chan net.Conn, 1)
	ctxs := make(chan context.Context, 1)
	r := serve(t, mux.Policy{Choose: func(*mux.Conn, mux.Verdict) mux.Choice {
		return mux.Choice{Raw: func(ctx context.Context, c net.Conn) { got <- c; ctxs <- ctx; <-ctx.Done() }}
	}})
	io.WriteString(r.dial(), "SSH-")
	c := <-got
	if _, ok := c.(*mux.Conn).NetConn().(*net.TCPConn); !ok {
		t.Errorf("NetConn is %T", c.(*mux.Conn).NetConn())
	}
	ctx := <-ctxs
	if mux.FromContext(ctx) != c {
		t.Error("the context has another connection")
	}
	r.Abort()
	<-ctx.Done()
	wait.Until(t, "nothing is open", func() bool { return r.Open() == 0 })
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]mux.Look{"split": mux.LookSplit, "direct": mux.LookHTTP} {
		t.Run("prior knowledge "+name, func(t *testing.T) {
			r := serve(t, mux.Policy{Look: look})
			var protos http.Protocols
			protos.SetUnencryptedHTTP2(true)
			wantProto(t, &http.Transport{Protocols: &protos}, "http://"+r.addr(), "HTTP/2.0")
		})
		t.Run("alpn "+name, func(t *testing.T) {
			r := serve(t, mux.Policy{Look: look, TLS: serverTLS(), Choose: terminate})
			tr := &http.Transport{TLSClientConfig: clientTLS(), ForceAttemptHTTP2: true}
			wantProto(t, tr, "https://"+r.addr(), "HTTP/2.0")
			wantProto(t, &http.Transport{TLSClientConfig: clientTLS("http/1.1")}, "https://"+r.addr(), "HTTP/1.1")
		})
	}
}

func wantProto(t *testing.T, tr *http.Transport, url, want string) {
	t.Helper()
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); string(b) != "hello "+want {
		t.Fatalf("got %q, want %s", b, want)
	}
}

// terminate ends TLS for HTTP, except for clients that offer another protocol.
func terminate(_ *mux.Conn, v mux.Verdict) mux.Choice {
	switch {
	case v.Protocol == mux.HTTP1:
		return mux.Choice{}
	case v.Protocol != mux.TLS:
		return mux.Choice{Raw: echo}
	case v.SNI == "passthrough.test":
		return mux.Choice{Raw: echo, Label: "passthrough"}
	case len(v.ALPN) == 1 && v.ALPN[0] == "echo":
		return mux.Choice{Raw: echo, Terminate: true, ALPN: []string{"echo"}, Label: "echo"}
	}
	return mux.Choice{HTTP: true, Terminate: true, Label: "web"}
}

func TestRawInTLS(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{TLS: serverTLS(), Choose: terminate})
	c := tls.Client(r.dial(), clientTLS("echo"))
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if got := c.ConnectionState().NegotiatedProtocol; got != "echo" {
		t.Errorf("negotiated %q", got)
	}
	c.CloseWrite()
	if b, err := io.ReadAll(c); string(b) != "hello" || err != nil {
		t.Fatalf("got %q, %v", b, err)
	}
}

// TestRawInTLSHidesSocket: what a raw service gets inside TLS must not lead it
// to the socket, where it would splice past the encryption.
func TestRawInTLSHidesSocket(t *testing.T) {
	t.Parallel()
	got := make(chan net.Conn, 1)
	r := serve(t, mux.Policy{TLS: serverTLS(), Look: mux.LookRaw, Choose: func(*mux.Conn, mux.Verdict) mux.Choice {
		return mux.Choice{Terminate: true, Raw: func(_ context.Context, c net.Conn) { got <- c }}
	}})
	tls.Client(r.dial(), clientTLS()).Handshake()
	c := <-got
	if _, ok := c.(interface{ NetConn() net.Conn }); ok {
		t.Error("it has NetConn")
	}
	if cs, ok := c.(interface{ ConnectionState() tls.ConnectionState }); !ok || !cs.ConnectionState().HandshakeComplete {
		t.Error("it does not tell the state of TLS")
	}
}

func TestRawInTLSBadHandshake(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{TLS: serverTLS(), Look: mux.LookRaw, Choose: func(*mux.Conn, mux.Verdict) mux.Choice {
		return mux.Choice{Terminate: true, Raw: echo}
	}})
	io.WriteString(r.dial(), "this is not TLS")
	r.refused("handshake", 1)
}

// TestPassthrough hands TLS on as it is, by its name.
func TestPassthrough(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{TLS: serverTLS(), Choose: terminate})
	cfg := clientTLS()
	cfg.ServerName = "Passthrough.TEST"
	b := clientHello(t, cfg)
	if got := r.exchange(string(b)); got != string(b) {
		t.Fatalf("got %d bytes back of %d", len(got), len(b))
	}
}

func TestPlainOnTLS(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]mux.Look{"split": mux.LookSplit, "direct": mux.LookHTTP} {
		t.Run(name, func(t *testing.T) {
			pol := mux.Policy{Look: look, TLS: serverTLS(), Choose: terminate}
			r := serve(t, pol)
			nc := r.dial()
			res, body := get(t, nc, bufio.NewReader(nc))
			if res.StatusCode != 400 || !res.Close || !strings.Contains(body, "https://") {
				t.Errorf("got %s, close %v, %q", res.Status, res.Close, body)
			}
			pol.RedirectHTTP = true
			r.Apply(pol)
			nc = r.dial()
			io.WriteString(nc, "GET /a?b=c HTTP/1.1\r\nHost: a.test:8443\r\n\r\n")
			res, _ = answer(t, bufio.NewReader(nc))
			if got := res.Header.Get("Location"); res.StatusCode != 308 || got != "https://a.test:8443/a?b=c" || !res.Close {
				t.Errorf("got %s to %q, close %v", res.Status, got, res.Close)
			}
		})
	}
}

// TestTransferEncoding: a request with a chunked body ends its connection,
// whatever was sent behind it.
func TestTransferEncoding(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{})
	for _, line := range []string{"POST / HTTP/1.1", "OPTIONS * HTTP/1.1"} {
		nc := r.dial()
		io.WriteString(nc, line+"\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"+
			"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
		b, err := io.ReadAll(nc)
		if n := strings.Count(string(b), "HTTP/1.1 "); n != 1 || err != nil {
			t.Fatalf("%s: %d answers, %v:\n%s", line, n, err, b)
		}
	}
}

// TestHTTP2WithoutRequests: a connection that speaks HTTP/2 and asks for nothing holds
// nobody up.
func TestHTTP2WithoutRequests(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{Look: mux.LookHTTP, Front: mux.Front{HeaderTimeout: wait.Patience, IdleTimeout: wait.Patience}})
	nc := r.dial()
	io.WriteString(nc, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	head := make([]byte, 9)
	for head[3] != 6 { // until it answers a ping, which comes after what it does not answer
		if _, err := io.ReadFull(nc, head); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(nc, make([]byte, int(head[1])<<8|int(head[2]))); err != nil {
			t.Fatal(err)
		}
		if head[3] == 4 && head[4] == 0 { // its settings
			io.WriteString(nc, "\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x00\x08\x06\x00\x00\x00\x00\x00pingpong")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), wait.Patience)
	defer cancel()
	if err := r.Port.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestPanic: a raw service that panics loses its connection, not the daemon.
func TestPanic(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{Look: mux.LookRaw, Choose: func(*mux.Conn, mux.Verdict) mux.Choice {
		return mux.Choice{Raw: func(context.Context, net.Conn) { panic("oh no") }}
	}})
	if b, err := io.ReadAll(r.dial()); len(b) > 0 || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	wait.Until(t, "the log tells", func() bool { return strings.Contains(r.log.String(), "oh no") })
	if got := serve(t, mux.Policy{Look: mux.LookHTTP, HTTP: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("web no")
	})}); got.exchange(request) != "" || !strings.Contains(got.log.String(), `"level":"error"`) {
		t.Errorf("a panic in HTTP is not an error in the log: %s", got.log)
	}
}

func TestUnmatched(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{Choose: func(*mux.Conn, mux.Verdict) mux.Choice { return mux.Choice{} }})
	io.WriteString(r.dial(), "SSH-")
	r.refused("unmatched", 1)
	r.Apply(mux.Policy{Listener: "test", Look: mux.LookRaw, Choose: func(*mux.Conn, mux.Verdict) mux.Choice { return mux.Choice{} }})
	r.dial()
	r.refused("unmatched", 2)
}
