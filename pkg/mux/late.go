package mux

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/http1"
	"github.com/porticod/portico/pkg/nowait"
)

// lateRead is a read whose buffer is taken when there is something to read.
type lateRead struct {
	once func(fd uintptr) bool // of read, made once

	buf http1.LateBuffer
	n   int
	err error
}

// A readNow is one read. They are used again and again, because a function that is
// handed to a RawConn would be allocated for each.
type readNow struct {
	b   []byte
	n   int
	err error
	run func(fd uintptr) bool
}

var readsNow = sync.Pool{New: func() any {
	r := new(readNow)
	r.run = func(fd uintptr) (done bool) {
		r.n, done, r.err = readOnce(int(fd), r.b)
		return done
	}
	return r
}}

// readSock is Read of the socket, of which Go's scheduler is not told.
func (c *Conn) readSock(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	r := readsNow.Get().(*readNow)
	defer readsNow.Put(r)
	r.b, r.n, r.err = b, 0, nil
	err := c.raw.Read(r.run)
	if r.b = nil; err == nil {
		err = r.err
	}
	return r.n, err
}

// readOnce reads what is there; not done: nothing is yet.
func readOnce(fd int, b []byte) (n int, done bool, err error) {
	n, err = nowait.Read(fd, b)
	switch {
	case err == unix.EAGAIN: //nolint:errorlint // as the kernel says it
		return 0, false, nil
	case err != nil:
		err = os.NewSyscallError("read", err)
	case n == 0:
		err = io.EOF
	}
	return n, true, err
}

// ReadLate implements http1.LateReader. A connection that waits so costs no buffer.
func (c *Conn) ReadLate(b http1.LateBuffer) (int, error) {
	l := c.late
	if l == nil {
		l = new(lateRead)
		l.once = l.read
		c.late = l
	}
	l.buf, l.n, l.err = b, 0, nil
	err := c.raw.Read(l.once)
	if l.buf = nil; err == nil {
		err = l.err
	}
	c.heardOf(l.n)
	return l.n, err
}

// read reads what is there; false: nothing is yet.
func (l *lateRead) read(fd uintptr) bool {
	var done bool
	if l.n, done, l.err = readOnce(int(fd), l.buf.Take()); !done {
		l.buf.Drop()
	}
	return done
}
