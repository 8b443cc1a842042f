package peers_test

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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/pires/go-proxyproto"

	"github.com/porticod/portico/internal/testkit"
)

// A browser makes requests from one address over one kind of HTTP.
type browser struct {
	http.Client
	mu   sync.Mutex
	last net.Addr // of the connection that was made last; guarded by mu
}

// The kinds of HTTP.
const (
	http1 = "HTTP/1.1"
	http2 = "HTTP/2.0"
)

// newBrowser makes one for addresses of plain HTTP. name is for TLS: it is asked
// for in place of the host.
func newBrowser(t testing.TB, from, proto, name string) *browser {
	t.Helper()
	b := &browser{}
	var p http.Protocols
	p.SetHTTP1(proto == http1)
	p.SetHTTP2(proto == http2)
	p.SetUnencryptedHTTP2(proto == http2)
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			c, err := dial(ctx, from, addr)
			if err != nil {
				return nil, err
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.last = c.LocalAddr()
			return c, nil
		},
		Protocols:       &p,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name},
	}
	b.Transport, b.Timeout = tr, patience
	t.Cleanup(tr.CloseIdleConnections)
	return b
}

// addr is the client's address.
func (b *browser) addr() net.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// ask makes a request and returns the body of an answer that must be 200.
func (b *browser) ask(t testing.TB, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %.200q %v", method, url, res.Status, got, err)
	}
	return string(got)
}

// converse sends a body that comes back while it is being sent; check is called
// in between.
func (b *browser) converse(t testing.TB, url string, check func()) {
	t.Helper()
	body, send := io.Pipe()
	defer send.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(send, "one ") }()
	res, err := b.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := make([]byte, 4)
	if n, err := io.ReadFull(res.Body, got); err != nil || string(got) != "one " {
		t.Fatalf("%q came back, %v", got[:n], err)
	}
	check()
	_, _ = io.WriteString(send, "two")
	_ = send.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "two" {
		t.Errorf("%q came back, %v", rest, err)
	}
}

// messages hands on what a WebSocket hears.
type messages struct {
	gws.BuiltinEventHandler
	heard chan string
}

func (m messages) OnMessage(_ *gws.Conn, msg *gws.Message) {
	m.heard <- string(bytes.Clone(msg.Bytes()))
}

func (m messages) OnClose(_ *gws.Conn, err error) { m.heard <- fmt.Sprint("closed: ", err) }

// webSocket opens one at addr, with a path if wanted, sends a message that must come back, and returns
// the client's address. The WebSocket stays open until the test ends.
func webSocket(t testing.TB, from, addr string) net.Addr {
	t.Helper()
	to, path, _ := strings.Cut(addr, "/")
	c := mustDial(t, from, to)
	m := messages{heard: make(chan string, 2)}
	ws, _, err := gws.NewClientFromConn(m, &gws.ClientOption{Addr: "ws://" + to + "/" + path}, c)
	if err != nil {
		t.Fatal(err)
	}
	go ws.ReadLoop()
	if err := ws.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-m.heard:
		if got != "hello" {
			t.Errorf("the WebSocket says %q", got)
		}
	case <-time.After(patience):
		t.Error("the WebSocket says nothing")
	}
	return c.LocalAddr()
}

// echoes sends bytes that must come back, with the end of the stream after them.
// check is called in between.
func echoes(t testing.TB, c *net.TCPConn, check func()) {
	t.Helper()
	text := strings.Repeat("\x00\x01raw bytes\n", 20_000)
	go func() { _, _ = io.WriteString(c, text) }()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("%d bytes of %d came back, %v", n, len(text), err)
	}
	check()
	_ = c.CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}

// teller is a server that expects a PROXY header, says in a line whom it names
// and then sends back what comes.
func teller(t testing.TB) string {
	return testkit.Serve(t, func(c net.Conn) {
		br := bufio.NewReader(c)
		h, err := proxyproto.Read(br)
		if err != nil {
			fmt.Fprintf(c, "no header: %v\n", err)
			return
		}
		if h.SourceAddr == nil {
			fmt.Fprintln(c, "nobody")
		} else {
			fmt.Fprintf(c, "%v %s\n", h.SourceAddr, version(h))
		}
		_, _ = io.Copy(c, br)
	})
}

func version(h *proxyproto.Header) string { return fmt.Sprintf("v%d", h.Version) }

// told reads the line of a teller.
func told(t testing.TB, c net.Conn) string {
	t.Helper()
	var line []byte
	for b := make([]byte, 1); len(line) < 200; line = append(line, b[0]) {
		if _, err := c.Read(b); err != nil {
			t.Fatalf("%q, %v", line, err)
		}
		if b[0] == '\n' {
			break
		}
	}
	return string(line)
}

// application is an HTTP server that says whom it takes for the client.
func application(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-For"))
		}),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}
