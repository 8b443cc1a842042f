package http1

import (
	"errors"
	"io"
	"net"
	"sync"
)

// inputSize is how much is read at a time, in bytes, and more than most heads have.
const inputSize = 4 << 10

var inputBuffers = sync.Pool{New: func() any { return new([inputSize]byte) }}

// A LateReader is a connection that can be waited for without a buffer.
type LateReader interface {
	// ReadLate is Read into a buffer that is taken when there is something to read,
	// and dropped where it turns out that there is nothing yet.
	ReadLate(b LateBuffer) (n int, err error)
}

// A LateBuffer is where a LateReader reads to.
type LateBuffer interface {
	Take() []byte
	Drop()
}

// An input is what was read from a connection and not used yet. While nothing is, it
// need not have a buffer.
type input struct {
	nc   net.Conn
	late LateReader // nc, where it can; else nil
	buf  []byte     // nil: none is held
	r, w int        // buf[r:w] is not used yet
	one  [1]byte
}

func (in *input) init(nc net.Conn) {
	in.nc = nc
	in.late, _ = nc.(LateReader)
}

func (in *input) bytes() []byte { return in.buf[in.r:in.w] }

func (in *input) buffered() int { return in.w - in.r }

func (in *input) skip(n int) { in.r += n }

// Take implements LateBuffer.
func (in *input) Take() []byte {
	in.room(inputSize)
	return in.buf[in.w:]
}

// Drop gives the buffer back if nothing is in it.
func (in *input) Drop() {
	if in.r == in.w && in.buf != nil {
		if len(in.buf) == inputSize {
			inputBuffers.Put((*[inputSize]byte)(in.buf))
		}
		in.buf, in.r, in.w = nil, 0, 0
	}
}

// wait waits for the first bytes of a request, and holds no buffer meanwhile.
func (in *input) wait() error {
	in.Drop()
	if in.late != nil {
		n, err := in.late.ReadLate(in)
		in.w += n
		return err
	}
	n, err := in.nc.Read(in.one[:])
	if n == 0 {
		return orNoProgress(err)
	}
	in.unread(in.one[0])
	return nil
}

// unread adds a byte that was read elsewhere, after all others.
func (in *input) unread(c byte) {
	in.room(in.w + 1)
	in.buf[in.w] = c
	in.w++
}

var errFull = errors.New("http1: the buffer is full")

// room makes sure that there is room for a byte at least, with a buffer of limit
// bytes at most.
func (in *input) room(limit int) {
	switch {
	case in.buf == nil:
		in.buf = inputBuffers.Get().(*[inputSize]byte)[:]
	case in.w < len(in.buf):
	case in.r > 0:
		in.w = copy(in.buf, in.bytes())
		in.r = 0
	case len(in.buf) < limit:
		bigger := make([]byte, min(2*len(in.buf), limit))
		in.w = copy(bigger, in.bytes())
		if len(in.buf) == inputSize {
			inputBuffers.Put((*[inputSize]byte)(in.buf))
		}
		in.buf = bigger
	}
}

// more reads once. The buffer grows to limit; errFull: it is full.
func (in *input) more(limit int) error {
	in.room(limit)
	if in.w == len(in.buf) {
		return errFull
	}
	n, err := in.nc.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return orNoProgress(err)
}

func orNoProgress(err error) error {
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if in.buffered() == 0 {
		if len(p) >= inputSize {
			return in.nc.Read(p)
		}
		in.r, in.w = 0, 0
		if err := in.more(inputSize); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.bytes())
	in.r += n
	return n, nil
}
