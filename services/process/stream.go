package process

import (
	"bufio"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/goodbye"
)

// closeServiceRestart tells a WebSocket's client to come again soon (IANA's
// registry of close codes).
const closeServiceRestart = 1012

// linger is how long one side may go on after the other has ended.
const linger = 5 * time.Second

// A stream is an exchange that does not end by itself: a WebSocket, an event
// stream. It is asked to end when its child is replaced and when its service is
// removed or stops.
type stream struct {
	once sync.Once
	fn   func(code int)
}

func (s *stream) end(code int) { s.once.Do(func() { s.fn(code) }) }

// hold registers a stream of c; forget is called when it has ended.
func (s *Service) hold(c *child, end func(code int)) (forget func()) {
	st := &stream{fn: end}
	untrack := s.env.Track(nil, st.end)
	unkeep := s.gate.keep(c, st)
	return func() { unkeep(); untrack() }
}

// An eventStream is the body of an answer that can be brought to a clean end
// early, after which the client connects anew.
type eventStream struct {
	io.ReadCloser
	over atomic.Bool
}

func (e *eventStream) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil && e.over.Load() {
		err = io.EOF
	}
	return n, err
}

func (e *eventStream) end(int) {
	e.over.Store(true)
	_ = e.Close()
}

// A tunnel is the client's side of a WebSocket. It says goodbye in the program's
// place.
type tunnel struct {
	net.Conn
	early   *bufio.Reader   // what the client sent before the answer
	out     *goodbye.Writer // to the client
	backend io.Closer       // the program's side
	begun   atomic.Bool
	late    atomic.Pointer[time.Timer]
}

func newTunnel(c net.Conn, early *bufio.Reader, backend io.Closer) *tunnel {
	return &tunnel{Conn: c, early: early, out: goodbye.NewWriter(c), backend: backend}
}

// Read is called first when the handshake was answered.
func (t *tunnel) Read(p []byte) (int, error) {
	if t.begun.CompareAndSwap(false, true) {
		t.out.Open()
	}
	if n := t.early.Buffered(); n > 0 {
		return t.early.Read(p[:min(n, len(p))])
	}
	n, err := t.Conn.Read(p)
	if err != nil {
		t.lingers()
	}
	return n, err
}

// Write may wait for a client that does not read; Read does not wait for it.
func (t *tunnel) Write(p []byte) (int, error) {
	t.begun.Store(true)
	return t.out.Write(p)
}

// CloseWrite passes on that the program has ended its side.
func (t *tunnel) CloseWrite() error {
	t.lingers()
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return t.Conn.Close()
}

// end asks the client to leave, with a close frame. Its answer goes to the
// program, which so learns of it. Who does not leave is cut off after a while.
func (t *tunnel) end(code int) {
	t.lingers()
	t.out.Say(code)
}

// lingers cuts the tunnel in a while.
func (t *tunnel) lingers() {
	timer := time.AfterFunc(linger, t.sever)
	if !t.late.CompareAndSwap(nil, timer) {
		timer.Stop()
	}
}

// sever closes both sides. It may be called more than once.
func (t *tunnel) sever() {
	if timer := t.late.Load(); timer != nil {
		timer.Stop()
	}
	_ = t.Conn.Close()
	_ = t.backend.Close()
}
