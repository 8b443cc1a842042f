package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/pkg/goodbye"
	"github.com/porticod/portico/pkg/httperr"
)

const (
	// goodbyeTime is how long a side may take after the other has ended, or
	// after it was told to.
	goodbyeTime   = 2 * time.Second
	tunnelBuffer  = 4 << 10
	handshakeTime = 10 * time.Second
)

// tunnel passes on that the upstream agreed to a WebSocket, and then frames until
// one side has enough.
func (x *exchange) tunnel(a *answer) {
	up, ok := a.src.(io.ReadWriteCloser)
	if !ok || !x.out.websocket || !strings.EqualFold(a.fields.get("Upgrade"), "websocket") {
		x.fail(errors.New("the upstream switched protocols and was not asked to"))
		return
	}
	client, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		httperr.Write(x.w, x.r, http.StatusInternalServerError, "internal", "WebSockets are not possible on this connection.")
		return
	}
	defer client.Close()
	t := &tunnel{client: client, out: goodbye.NewWriter(client), up: up, watch: x.watch}
	defer context.AfterFunc(x.context(), t.cut)()
	if err := x.handshake(client, a); err != nil {
		return
	}
	t.out.Open()
	x.s.metrics.websockets.Inc()
	defer x.s.metrics.websockets.Dec()
	done := x.s.env.Track(client, t.drain)
	defer done()
	t.run(unread(client, rw.Reader), x.s.metrics)
}

// handshake sends the upstream's answer to the client.
func (x *exchange) handshake(client net.Conn, a *answer) error {
	a.fields.dropHopByHop()
	x.g.responseRules.apply(&a.fields)
	h := x.w.Header()
	if len(h["X-Request-Id"]) > 0 {
		a.fields.del("X-Request-Id") // the front door's own counts
	}
	a.fields.putInto(h)
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	_ = client.SetWriteDeadline(time.Now().Add(handshakeTime))
	_, err := client.Write(b.Bytes())
	_ = client.SetWriteDeadline(time.Time{})
	return err
}

// unread is what the server had read already and then the connection.
func unread(c net.Conn, br *bufio.Reader) io.Reader {
	n := br.Buffered()
	if n == 0 {
		return c
	}
	head, _ := br.Peek(n) // it is all there
	return io.MultiReader(bytes.NewReader(bytes.Clone(head)), c)
}

// A tunnel is a WebSocket between a client and an upstream.
type tunnel struct {
	client net.Conn
	out    *goodbye.Writer // to the client
	up     io.ReadWriteCloser
	watch  *watch
	once   sync.Once
}

func (t *tunnel) run(fromClient io.Reader, m *metrics) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.move(t.up.Write, fromClient, m.received)
		if half, ok := t.up.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		t.soon()
	}()
	t.move(t.out.Write, t.up, m.sent)
	if half, ok := t.client.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	t.soon()
	<-done
}

// soon ends the tunnel when the side that is left had time for its last words.
func (t *tunnel) soon() {
	t.once.Do(func() { time.AfterFunc(goodbyeTime, t.cut) })
}

func (t *tunnel) cut() {
	_ = t.client.Close()
	_ = t.up.Close()
}

func (t *tunnel) move(write func([]byte) (int, error), src io.Reader, count prometheus.Counter) {
	buf := make([]byte, tunnelBuffer)
	for {
		n, err := src.Read(buf)
		t.watch.touch()
		if n > 0 {
			if _, err := write(buf[:n]); err != nil {
				return
			}
			t.watch.touch()
			count.Add(float64(n))
		}
		if err != nil {
			return
		}
	}
}

// drain ends the WebSocket with a close frame, as soon as the one that is being
// sent is whole. The client answers with its own, which goes to the upstream, so
// that both sides have a clean end.
func (t *tunnel) drain(code int) {
	// A write that is stuck keeps the goodbye waiting until this ends it.
	time.AfterFunc(goodbyeTime, t.cut)
	t.out.Say(code)
}
