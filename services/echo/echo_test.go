package echo_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/echo"
	"github.com/porticod/portico/services/servicetest"
)

var kind = service.KindOf(echo.Type{})

func TestContract(t *testing.T) {
	servicetest.Run(t, servicetest.Suite{
		Kind:    kind,
		Changed: `idle_timeout = "10s"`,
		Bad: map[string]string{
			`max_message = "0B"`:    "out of range",
			`max_message = "1GiB"`:  "out of range",
			`idle_timeout = "0s"`:   "must be positive",
			`idle_timeout = "soon"`: "duration",
		},
		WebSocket: func(base string) *http.Request { return servicetest.Request("GET", base+"/") },
	})
}

// open starts an echo with a given configuration.
func open(t *testing.T, change func(*echo.Config)) (*echo.Service, *servicetest.Env) {
	t.Helper()
	cfg := echo.Type{}.Default()
	if change != nil {
		change(&cfg)
	}
	env := servicetest.NewEnv(t, "echo", "test")
	s, err := echo.Type{}.Open(t.Context(), env.Env, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, env
}

func TestRawBytesComeBackAndHalfCloseIsHonoured(t *testing.T) {
	s, _ := open(t, nil)
	srv := servicetest.Raw(t, s)
	c := dial(t, srv.Addr)
	want := make([]byte, 3<<20)
	_, _ = rand.Read(want)
	go func() {
		_, _ = c.Write(want)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, not the %d that were sent", len(got), len(want))
	}
}

func TestRawOverWhatIsNoSocket(t *testing.T) {
	s, _ := open(t, nil)
	client, server := net.Pipe()
	defer client.Close()
	ended := make(chan struct{})
	go func() { defer close(ended); s.ServeConn(t.Context(), server) }()
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	_ = client.Close()
	<-ended
}

func TestIdleRawConnectionIsClosed(t *testing.T) {
	s, _ := open(t, func(c *echo.Config) { c.IdleTimeout = 200 * time.Millisecond })
	srv := servicetest.Raw(t, s)
	var c net.Conn
	wait.Steady(t, 100*time.Millisecond, func(beat func()) error {
		c = dial(t, srv.Addr)
		// A byte now and then keeps it open for longer than one timeout.
		for range 6 {
			_, werr := c.Write([]byte("x"))
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				return fmt.Errorf("closed while it was in use: %w, %w", werr, err)
			}
			<-time.After(60 * time.Millisecond) // what is tried is time itself
			beat()
		}
		return nil
	})
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an idle connection stays open: %v", err)
	}
}

func TestHTTPBodyComesBack(t *testing.T) {
	s, _ := open(t, nil)
	srv := servicetest.HTTP(t, s)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "QUERY"} {
		body := strings.Repeat(method, 100_000)
		req, _ := http.NewRequestWithContext(t.Context(), method, srv.URL+"/any/path", strings.NewReader(body))
		req.Header.Set("Content-Type", "text/x-test; charset=utf-8")
		res, got := do(t, srv, req)
		if res.StatusCode != 200 || got != body || res.ContentLength != int64(len(body)) {
			t.Errorf("%s: %s, %d bytes of %d", method, res.Status, len(got), len(body))
		}
		if ct := res.Header.Get("Content-Type"); ct != "text/x-test; charset=utf-8" {
			t.Errorf("%s: Content-Type: %q", method, ct)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(res.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: what comes back may act in the name of the origin: %v", method, res.Header)
		}
	}
}

func TestHTTPBodyComesBackWhileItIsSent(t *testing.T) {
	s, _ := open(t, nil)
	srv := servicetest.HTTP(t, s)
	pr, pw := io.Pipe()
	defer pw.Close()
	req, _ := http.NewRequestWithContext(t.Context(), "POST", srv.URL, pr)
	go func() { _, _ = io.WriteString(pw, "first") }()
	res, err := srv.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for _, word := range []string{"first", "second", "third"} {
		got := make([]byte, len(word))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != word {
			t.Fatalf("%q, %v instead of %q", got, err, word)
		}
		switch word {
		case "first":
			_, _ = io.WriteString(pw, "second")
		case "second":
			_, _ = io.WriteString(pw, "third")
		}
	}
}

func TestHTTPBrokenBodyIsNotAWholeAnswer(t *testing.T) {
	s, _ := open(t, nil)
	srv := servicetest.HTTP(t, s)
	c := dial(t, srv.Addr)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\nnot hex\r\n")
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got), "abcd") || strings.HasSuffix(string(got), "0\r\n\r\n") {
		t.Errorf("a broken body gets %q", got)
	}
}

func TestHTTPSaysWhatItIs(t *testing.T) {
	s, _ := open(t, nil)
	srv := servicetest.HTTP(t, s)
	res, body := do(t, srv, servicetest.Request("GET", srv.URL))
	if res.StatusCode != 200 || !strings.Contains(body, "echo service") {
		t.Errorf("%s %q", res.Status, body)
	}
}

func TestWebSocketMessagesComeBack(t *testing.T) {
	s, env := open(t, nil)
	srv := servicetest.HTTP(t, s)
	ws := connect(t, srv.Addr)
	for _, m := range []string{"text", "", strings.Repeat("ü", 100_000)} {
		if err := ws.WriteMessage(gws.OpcodeText, []byte(m)); err != nil {
			t.Fatal(err)
		}
		if got := ws.next(t); got != "text:"+m {
			t.Errorf("%.20q of %d bytes came back for %.20q", got, len(got), m)
		}
	}
	_ = ws.WriteMessage(gws.OpcodeBinary, []byte{0, 255, 1})
	if got := ws.next(t); got != "binary:\x00\xff\x01" {
		t.Errorf("%q", got)
	}
	_ = ws.WritePing([]byte("are you there"))
	if got := ws.next(t); got != "pong:are you there" {
		t.Errorf("%q", got)
	}
	_ = ws.WriteClose(1000, nil)
	if err := env.WaitUntracked(wait.Patience); err != nil {
		t.Error(err)
	}
}

func TestWebSocketThatIsTooLoud(t *testing.T) {
	s, _ := open(t, func(c *echo.Config) { c.MaxMessage = 1 << 10 })
	srv := servicetest.HTTP(t, s)
	for name, send := range map[string]func(*client) error{
		"close:1009": func(c *client) error { return c.WriteMessage(gws.OpcodeBinary, make([]byte, 1<<10+1)) },
		"close:1007": func(c *client) error { return c.WriteMessage(gws.OpcodeText, []byte{0xff}) },
	} {
		ws := connect(t, srv.Addr)
		_ = send(ws)
		if got := ws.next(t); got != name {
			t.Errorf("%q instead of %q", got, name)
		}
	}
}

func TestIdleWebSocketIsClosed(t *testing.T) {
	s, _ := open(t, func(c *echo.Config) { c.IdleTimeout = 100 * time.Millisecond })
	ws := connect(t, servicetest.HTTP(t, s).Addr)
	if got := ws.next(t); got != "close:1001" {
		t.Errorf("%q", got)
	}
}

func TestBadHandshake(t *testing.T) {
	s, env := open(t, nil)
	srv := servicetest.HTTP(t, s)
	for _, header := range []string{
		"Upgrade: websocket\r\n",
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: x\r\n",
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
	} {
		c := dial(t, srv.Addr)
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", header)
		got, err := io.ReadAll(c)
		if err != nil || !bytes.HasPrefix(got, []byte("HTTP/1.1 400 ")) {
			t.Errorf("%q: %q, %v", header, got, err)
		}
	}
	if n := env.Tracked(); n != 0 {
		t.Errorf("%d tracked", n)
	}
}

// A body that fails on the way must not be taken for a whole one; see
// iotest.ErrReader for the transport's view.
func TestClientGoesAwayMidBody(t *testing.T) {
	s, _ := open(t, nil)
	srv := servicetest.HTTP(t, s)
	body := io.MultiReader(strings.NewReader("begin"), iotest.ErrReader(context.Canceled))
	req, _ := http.NewRequestWithContext(t.Context(), "POST", srv.URL, body)
	res, err := srv.Client.Do(req)
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if err == nil {
		t.Error("half a body got a whole answer")
	}
}

func do(t *testing.T, srv *servicetest.HTTPServer, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := srv.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(wait.Patience))
	return c.(*net.TCPConn)
}

// client is a WebSocket client that turns what it hears into strings.
type client struct {
	*gws.Conn
	gws.BuiltinEventHandler
	heard chan string
}

func connect(t *testing.T, addr string) *client {
	t.Helper()
	c := &client{heard: make(chan string, 16)}
	conn, _, err := gws.NewClient(c, &gws.ClientOption{Addr: "ws://" + addr})
	if err != nil {
		t.Fatal(err)
	}
	c.Conn = conn
	go conn.ReadLoop()
	t.Cleanup(func() { _ = conn.NetConn().Close() })
	return c
}

func (c *client) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	what := "text:"
	if m.Opcode == gws.OpcodeBinary {
		what = "binary:"
	}
	c.heard <- what + string(m.Bytes())
}

func (c *client) OnPong(_ *gws.Conn, payload []byte) { c.heard <- "pong:" + string(payload) }

func (c *client) OnClose(_ *gws.Conn, err error) {
	var ce *gws.CloseError
	if errors.As(err, &ce) {
		c.heard <- fmt.Sprintf("close:%d", ce.Code)
		return
	}
	c.heard <- fmt.Sprintf("broken:%v", err)
}

func (c *client) next(t *testing.T) string {
	t.Helper()
	select {
	case m := <-c.heard:
		return m
	case <-time.After(wait.Patience):
		t.Fatal("nothing heard")
		return ""
	}
}
