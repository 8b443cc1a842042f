package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	t := &tunnel{client: client, up: up, watch: x.watch}
	defer context.AfterFunc(x.context(), t.cut)()
	if err := x.handshake(client, a); err != nil {
		return
	}
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

// A tunnel is a WebSocket between a client and an upstream. It understands where
// frames end, so that it can say goodbye to the client between two of them.
type tunnel struct {
	client net.Conn
	up     io.ReadWriteCloser
	watch  *watch
	once   sync.Once

	mu     sync.Mutex // guards the rest, and writing to the client
	frames frames     // to the client
	code   uint16     // of the close frame that is due; 0: none
	silent bool       // it was sent: nothing may follow it
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
	t.move(t.toClient, t.up, m.sent)
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

// toClient writes what came from the upstream, up to the end of a frame if the
// goodbye is due.
func (t *tunnel) toClient(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := 0; i < len(p) && !t.silent; {
		n := len(p) - i
		if t.code != 0 {
			n, _ = t.frames.next(p[i:])
		} else {
			t.frames.skip(p[i:])
		}
		if _, err := t.client.Write(p[i : i+n]); err != nil {
			return i, err
		}
		i += n
		if err := t.goodbye(); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// drain ends the WebSocket with a close frame, as soon as the one that is being
// sent is whole.
func (t *tunnel) drain(code int) {
	// A write that is stuck has the mutex until this ends it.
	time.AfterFunc(goodbyeTime, t.cut)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.code = uint16(code)
	_ = t.goodbye()
}

// goodbye sends the close frame if it is due and possible. The client answers
// with its own, which goes to the upstream, so that both sides have a clean end.
func (t *tunnel) goodbye() error {
	if t.code == 0 || t.silent || !t.frames.between() {
		return nil
	}
	t.silent = true
	frame := binary.BigEndian.AppendUint16([]byte{0x88, 2}, t.code) // RFC 6455, sections 5.5.1 and 5.2
	_, err := t.client.Write(frame)
	return err
}

// frames follows a stream of WebSocket frames: RFC 6455, section 5.2.
type frames struct {
	head [14]byte
	have int    // bytes of head
	left uint64 // bytes of the payload
}

// between reports whether the stream is between two frames.
func (f *frames) between() bool { return f.have == 0 && f.left == 0 }

// skip follows all of p.
func (f *frames) skip(p []byte) {
	for len(p) > 0 {
		n, _ := f.next(p)
		p = p[n:]
	}
}

// next follows p until a frame is whole, or to its end: n bytes.
func (f *frames) next(p []byte) (n int, whole bool) {
	for n < len(p) {
		if f.left > 0 {
			k := min(f.left, uint64(len(p)-n))
			f.left -= k
			n += int(k)
			if f.left == 0 {
				return n, true
			}
			continue
		}
		f.head[f.have] = p[n]
		f.have++
		n++
		if f.have >= 2 && f.have == f.headLength() {
			f.left = f.length()
			f.have = 0
			if f.left == 0 {
				return n, true
			}
		}
	}
	return n, false
}

func (f *frames) headLength() int {
	n := 2
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 {
		n += 4
	}
	return n
}

func (f *frames) length() uint64 {
	switch l := f.head[1] & 0x7f; l {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(l)
	}
}
