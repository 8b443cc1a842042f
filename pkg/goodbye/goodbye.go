// Package goodbye ends WebSockets that others carry on: it puts a close frame
// between two of the frames that pass to a client, and drops what follows. It
// understands where frames end and nothing else of them.
package goodbye

import (
	"encoding/binary"
	"io"
	"sync"
)

// A Writer passes frames on to a client. Its methods are safe for concurrent use.
type Writer struct {
	dst io.Writer

	mu     sync.Mutex // guards the rest, and writing
	frames frames     // that were written
	open   bool       // frames may be written
	code   uint16     // of the close frame that is due; 0: none
	said   bool       // it was sent: nothing may follow it
}

// NewWriter makes a writer of a stream that begins with a frame. Before Open it
// says nothing of its own: the answer to the handshake comes first.
func NewWriter(dst io.Writer) *Writer { return &Writer{dst: dst} }

// Open says that the client has the answer to its handshake.
func (w *Writer) Open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = true
	_ = w.say() // where the client is gone the next write finds out
}

// Write passes p on, up to the end of a frame if the goodbye is due. What comes
// after that counts as written and goes nowhere.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = true
	if err := w.say(); err != nil {
		return 0, err
	}
	for at := 0; at < len(p) && !w.said; {
		n := len(p) - at
		if w.code != 0 {
			n = w.frames.next(p[at:])
		} else {
			w.frames.skip(p[at:])
		}
		if _, err := w.dst.Write(p[at : at+n]); err != nil {
			return at, err
		}
		at += n
		if err := w.say(); err != nil {
			return at, err
		}
	}
	return len(p), nil
}

// Say sends a close frame with a code (RFC 6455, section 7.4) as soon as the frame
// that is being sent is whole. The client answers with its own, which the caller
// passes on like any frame, so that both sides have a clean end. A write that is
// stuck keeps Say waiting: the caller sees to it that the connection is closed
// after a while.
func (w *Writer) Say(code int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.code = uint16(code)
	_ = w.say() // where the client is gone the next write finds out
}

// say sends the close frame if it is due and possible: RFC 6455, sections 5.2 and
// 5.5.1. mu is held.
func (w *Writer) say() error {
	if w.code == 0 || w.said || !w.open || !w.frames.between() {
		return nil
	}
	w.said = true
	_, err := w.dst.Write(binary.BigEndian.AppendUint16([]byte{0x88, 2}, w.code))
	return err
}

// frames follows a stream of frames through pieces of any size: RFC 6455, section
// 5.2.
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
		n := f.next(p)
		p = p[n:]
	}
}

// next follows p until a frame is whole, or to its end: n bytes.
func (f *frames) next(p []byte) (n int) {
	for n < len(p) {
		if f.left > 0 {
			k := min(f.left, uint64(len(p)-n))
			f.left -= k
			n += int(k)
			if f.left == 0 {
				return n
			}
			continue
		}
		f.head[f.have] = p[n]
		f.have++
		n++
		if f.have >= 2 && f.have == f.headLength() {
			f.left, f.have = f.length(), 0
			if f.left == 0 {
				return n
			}
		}
	}
	return n
}

// headLength is how long the head is; its first two bytes are there.
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

// length is that of the payload, as the whole head says.
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
