package relay

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/nowait"
)

const (
	// piece is what is read and written by hand, with a copy that costs less than
	// what a splice does. More than that in a queue begins a stream.
	piece = 16 << 10
	// turns is how often a flow moves something before others have their turn.
	turns = 8
)

// Buffers are held only while there are bytes in them, and so are pipes: ten
// thousand silent connections hold none.
var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

// A side is one socket of a relay, as far as its loop knows it.
type side struct {
	descriptor
	tcp   bool
	ready bool // there may be something to read,
	last  bool // and its end, or what a short read does not tell of
	full  bool // it takes nothing more, until the loop hears that it does
	waits bool // epoll was asked to tell that
}

// A flow moves what one side receives to the other.
type flow struct {
	buf       *[piece]byte // what was read is between gone and n, or
	n, gone   int
	pipe      *pipe // in this
	streaming bool  // the last move left more behind, as far as is known
	ended     bool  // there is nothing more to come, and all of it was given
}

// holds says that bytes are under way.
func (f *flow) holds() bool { return f.buf != nil || f.pipe != nil }

// move moves what it can; more: it could go on. note is told how much it was.
func (f *flow) move(from, to *side, in, out int, note func(int)) (more bool, err error) {
	for range turns {
		for f.holds() {
			if to.full {
				return false, nil
			}
			n, err := f.give(out)
			if err == unix.EAGAIN { //nolint:errorlint // as the kernel says it
				to.full = true
				return false, nil
			}
			if err != nil {
				return false, os.NewSyscallError("write", err)
			}
			note(n)
		}
		if f.ended || !from.ready {
			return false, nil
		}
		n, err := f.take(in)
		switch {
		case err == unix.EAGAIN: //nolint:errorlint // as the kernel says it
			from.ready = false
		case err != nil:
			return false, os.NewSyscallError("read", err)
		case n == 0:
			f.ended = true
		default:
			spliced := f.pipe != nil
			f.streaming = n >= piece
			// A queue that had less than was asked for is empty, and epoll tells of
			// what comes next.
			if n < piece && !spliced && from.tcp && !from.last {
				from.ready = false
			}
		}
	}
	return true, nil
}

// take reads, or splices into a pipe. Nothing is held where there is nothing.
func (f *flow) take(in int) (n int, err error) {
	if f.streaming {
		if p, err := getPipe(); err == nil {
			n, err := splice(in, p.w, gulp)
			if n <= 0 {
				putPipe(p)
				return n, err
			}
			p.held, f.pipe = n, p
			return n, nil
		}
	}
	b := pieces.Get().(*[piece]byte)
	if n, err = nowait.Read(in, b[:]); n <= 0 {
		pieces.Put(b)
		return n, err
	}
	f.buf, f.n, f.gone = b, n, 0
	return n, nil
}

// give writes what is held.
func (f *flow) give(out int) (n int, err error) {
	if p := f.pipe; p != nil {
		if n, err = splice(p.r, out, p.held); err == nil {
			if p.held -= n; p.held == 0 {
				f.drop()
			}
		}
		return n, err
	}
	if n, err = nowait.Write(out, f.buf[f.gone:f.n], false); err == nil {
		if f.gone += n; f.gone == f.n {
			f.drop()
		}
	}
	return n, err
}

// drop gives back what bytes are held in.
func (f *flow) drop() {
	if f.buf != nil {
		pieces.Put(f.buf)
		f.buf = nil
	}
	if f.pipe != nil {
		putPipe(f.pipe)
		f.pipe = nil
	}
}
