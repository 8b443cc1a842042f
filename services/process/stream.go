package process

import (
	"bufio"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
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

// A tunnel is the client's side of a WebSocket. It knows where frames begin, so
// that it can say goodbye in the program's place.
type tunnel struct {
	net.Conn
	early   *bufio.Reader // what the client sent before the answer
	backend io.Closer     // the program's side
	late    atomic.Pointer[time.Timer]

	mu     sync.Mutex // guards what follows, and writing
	frames frames     // of what was written
	open   bool       // the answer to the handshake was sent
	code   int        // to say goodbye with; 0: not yet
	said   bool       // goodbye; what the program says after that is dropped
}

// begin is called with the first byte in either direction, which is after the
// answer to the handshake.
func (t *tunnel) begin() {
	if !t.open {
		t.open = true
		t.goodbye()
	}
}

func (t *tunnel) Read(p []byte) (int, error) {
	t.mu.Lock()
	t.begin()
	t.mu.Unlock()
	if n := t.early.Buffered(); n > 0 {
		return t.early.Read(p[:min(n, len(p))])
	}
	n, err := t.Conn.Read(p)
	if err != nil {
		t.lingers()
	}
	return n, err
}

func (t *tunnel) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin()
	written := 0
	for written < len(p) && !t.said {
		n, err := t.Conn.Write(p[written : written+t.frames.next(p[written:])])
		written += n
		if err != nil {
			return written, err
		}
		t.goodbye()
	}
	return len(p), nil
}

// CloseWrite passes on that the program has ended its side.
func (t *tunnel) CloseWrite() error {
	t.lingers()
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return t.Conn.Close()
}

// end asks the client to leave, with a close frame. Who does not is cut off after
// a while.
func (t *tunnel) end(code int) {
	t.lingers()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.code = code
	t.goodbye()
}

// goodbye sends the close frame (RFC 6455, section 5.5.1) when one is wanted and
// no frame of the program is half sent. The client's answer to it goes to the
// program, which so learns of it. mu is held.
func (t *tunnel) goodbye() {
	if t.code == 0 || t.said || !t.open || !t.frames.whole() {
		return
	}
	t.said = true
	_, _ = t.Conn.Write([]byte{0x88, 2, byte(t.code >> 8), byte(t.code)})
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

// frames follows the frames of a WebSocket (RFC 6455, section 5.2) through pieces
// of any size. It does not judge them.
type frames struct {
	head [14]byte
	have int    // bytes of head
	left uint64 // bytes of the payload to come
}

// whole reports whether the last frame is complete.
func (f *frames) whole() bool { return f.have == 0 && f.left == 0 }

// next takes in p as far as the end of the frame that it begins with or goes on
// with, and returns how far that is: at least 1 if p is not empty.
func (f *frames) next(p []byte) int {
	for i := range p {
		if f.left > 0 {
			n := min(f.left, uint64(len(p)-i))
			f.left -= n
			return i + int(n)
		}
		f.head[f.have] = p[i]
		f.have++
		if f.have < 2 || f.have < f.headSize() {
			continue
		}
		f.left, f.have = f.payload(), 0
		if f.left == 0 {
			return i + 1
		}
	}
	return len(p)
}

// headSize is how long the head is; its first two bytes are there.
func (f *frames) headSize() int {
	size := 2
	switch f.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.head[1]&0x80 != 0 {
		size += 4
	}
	return size
}

// payload is the length that the whole head says.
func (f *frames) payload() uint64 {
	var bytes []byte
	switch n := f.head[1] & 0x7f; n {
	case 126:
		bytes = f.head[2:4]
	case 127:
		bytes = f.head[2:10]
	default:
		return uint64(n)
	}
	var size uint64
	for _, b := range bytes {
		size = size<<8 | uint64(b)
	}
	return size
}
