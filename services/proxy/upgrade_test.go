package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"golang.org/x/net/http2"

	"github.com/porticod/portico/services/proxy"
)

// client is a WebSocket client that turns what it hears into strings.
type client struct {
	*gws.Conn
	gws.BuiltinEventHandler
	heard chan string
}

func connect(t *testing.T, addr string) *client {
	t.Helper()
	c := &client{heard: make(chan string, 16)}
	conn, _, err := gws.NewClient(c, &gws.ClientOption{Addr: "ws://" + addr + "/ws"})
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
	c.heard <- m.Data.String()
}

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
	case <-time.After(patience):
		t.Fatal("nothing heard")
		return ""
	}
}

func TestWebSocketGoesThrough(t *testing.T) {
	for name, up := range map[string]string{"http": backend(t, application), "unix": unixBackend(t, application)} {
		s, env, srv := open(t, one(up))
		c := connect(t, srv.Addr)
		total := 0
		for _, m := range []string{"hello", strings.Repeat("ü", 100_000), strings.Repeat("x", 200)} {
			if err := c.WriteMessage(gws.OpcodeText, []byte(m)); err != nil {
				t.Fatal(err)
			}
			if got := c.next(t); got != m {
				t.Errorf("%s: %.20q of %d bytes came back for %.20q", name, got, len(got), m)
			}
			total += len(m)
		}
		waitMetric(t, s, "websockets", 1)
		_ = c.WriteClose(1000, nil)
		c.next(t) // the end
		if err := env.WaitUntracked(patience); err != nil {
			t.Error(err)
		}
		waitMetric(t, s, "websockets", 0)
		waitMetric(t, s, "in_flight_requests", 0)
		if in, out := metric(t, s, "websocket_received_bytes_total"), metric(t, s, "websocket_sent_bytes_total"); in < float64(total) || out < float64(total) {
			t.Errorf("%s: %v bytes in, %v out of %d", name, in, out, total)
		}
	}
}

// The goodbye of a drain waits for the end of the frame that is being sent, and
// the upstream learns of it too.
func TestDrainInTheMiddleOfAFrame(t *testing.T) {
	half, rest, quiet, heard := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan string, 1)
	_, env, srv := open(t, one(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		frame := append([]byte{0x82, 126, 0x01, 0x00}, bytes.Repeat([]byte("x"), 256)...)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
		_, _ = c.Write(frame[:100])
		close(half)
		<-rest
		_, _ = c.Write(frame[100:])
		go func() {
			head := make([]byte, 2)
			_, err := io.ReadFull(rw, head)
			heard <- fmt.Sprintf("%x %v", head, err)
			close(quiet)
		}()
		for {
			select {
			case <-quiet:
				return
			case <-time.After(time.Millisecond): // goes on speaking until it is told to stop
				_, _ = c.Write([]byte{0x81, 1, 'y'})
			}
		}
	})))
	c := dial(t, srv.Addr)
	fmt.Fprint(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	br := bufio.NewReader(c)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("%v, %v", res, err)
	}
	if _, err := io.ReadFull(br, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	<-half
	env.Drain(1012)
	close(rest)
	if _, err := io.ReadFull(br, make([]byte, 160)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	for got[0] != 0x88 { // the goodbye may come after a frame or two more
		if _, err := io.ReadFull(br, got[:3]); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got[:3], []byte{0x81, 1, 'y'}) && got[0] != 0x88 {
			t.Fatalf("a frame was cut: %x", got[:3])
		}
	}
	if _, err := io.ReadFull(br, got[3:]); err != nil || got[1] != 2 || binary.BigEndian.Uint16(got[2:]) != 1012 {
		t.Errorf("the goodbye is %x, %v", got, err)
	}
	_, _ = c.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf4}) // the client's own close frame
	if got := <-heard; got != "8882 <nil>" {
		t.Errorf("the upstream heard %s", got)
	}
	if b, err := io.ReadAll(br); len(b) > 0 {
		t.Errorf("after the goodbye came %x, %v", b, err)
	}
	if err := env.WaitUntracked(patience); err != nil {
		t.Error(err)
	}
}

func TestIdleWebSocketIsClosed(t *testing.T) {
	_, env, srv := open(t, one(backend(t, application), func(c *proxy.Config) { c.Timeouts.Idle = 100 * time.Millisecond }))
	c := connect(t, srv.Addr)
	if got := c.next(t); !strings.HasPrefix(got, "broken:") {
		t.Errorf("%q", got)
	}
	if err := env.WaitUntracked(patience); err != nil {
		t.Error(err)
	}
}

func TestRefusedHandshakeIsAnAnswer(t *testing.T) {
	_, _, srv := open(t, one(backend(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no "+r.Header.Get("Upgrade"), http.StatusForbidden)
	})))
	c := dial(t, srv.Addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n")
	br := bufio.NewReader(c)
	for range 2 { // the connection goes on as before
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != 403 {
			t.Fatalf("%v, %v", res, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
}

// grpcServer speaks as gRPC does: messages with a length before them in both
// directions at the same time, the status in trailers.
func grpcServer(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" || r.Header.Get("Content-Type") != "application/grpc" {
		http.Error(w, fmt.Sprint(r.Proto, r.Header), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	rc := http.NewResponseController(w)
	_ = rc.Flush()
	for {
		m, err := readMessage(r.Body)
		if err != nil {
			break
		}
		_, _ = w.Write(message("echo " + m))
		_ = rc.Flush()
	}
	w.Header().Set("Grpc-Status", "0")
	w.Header().Set(http.TrailerPrefix+"Grpc-Message", "done "+r.Trailer.Get("X-Client"))
}

func message(s string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(s))), s...)
}

func readMessage(r io.Reader) (string, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(r, b)
	return string(b), err
}

func TestGRPCGoesThrough(t *testing.T) {
	s, _, _ := open(t, one(h2cBackend(t, grpcServer)))
	front := h2cBackend(t, s.ServeHTTP)
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	defer tr.CloseIdleConnections()
	pr, pw := io.Pipe()
	req := request(t, "POST", strings.Replace(front, "h2c:", "http:", 1)+"/echo.Echo/Chat", pr, "Content-Type: application/grpc", "Te: trailers")
	req.Trailer = http.Header{"X-Client": nil}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/grpc" {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("%s %v %s", res.Status, res.Header, b)
	}
	for i := range 5 { // each answer is there before the next question
		word := fmt.Sprint("message ", i)
		if _, err := pw.Write(message(word)); err != nil {
			t.Fatal(err)
		}
		if got, err := readMessage(res.Body); err != nil || got != "echo "+word {
			t.Fatalf("%q, %v", got, err)
		}
	}
	req.Trailer.Set("X-Client", "bye")
	_ = pw.Close()
	if b, err := io.ReadAll(res.Body); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	if st, msg := res.Trailer.Get("Grpc-Status"), res.Trailer.Get("Grpc-Message"); st != "0" || msg != "done bye" {
		t.Errorf("trailers %v", res.Trailer)
	}
}

// An upstream that resets its stream resets the client's.
func TestGRPCReset(t *testing.T) {
	s, _, _ := open(t, one(h2cBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})))
	front := h2cBackend(t, s.ServeHTTP)
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(request(t, "POST", strings.Replace(front, "h2c:", "http:", 1), nil))
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	var stream http2.StreamError
	if err == nil || !errors.As(err, &stream) && !strings.Contains(err.Error(), "stream") {
		t.Errorf("%v", err)
	}
}
