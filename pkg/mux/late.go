package mux

import (
	"io"
	"os"

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
	n, err := nowait.Read(int(fd), l.buf.Take())
	switch {
	case err == unix.EAGAIN: //nolint:errorlint // as the kernel says it
		l.buf.Drop()
		return false
	case err != nil:
		l.err = os.NewSyscallError("read", err)
	case n == 0:
		l.err = io.EOF
	}
	l.n = n
	return true
}
