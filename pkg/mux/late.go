package mux

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/http1"
)

// lateRead is a read whose buffer is taken when there is something to read.
type lateRead struct {
	raw  syscall.RawConn
	once func(fd uintptr) bool // of read, made once

	buf http1.LateBuffer
	n   int
	err error
}

// ReadLate implements http1.LateReader. A connection that waits so costs no buffer.
func (c *Conn) ReadLate(b http1.LateBuffer) (int, error) {
	l := c.late
	if l == nil {
		raw, err := c.sock.SyscallConn()
		if err != nil {
			return 0, err
		}
		l = &lateRead{raw: raw}
		l.once = l.read
		c.late = l
	}
	l.buf, l.n, l.err = b, 0, nil
	err := l.raw.Read(l.once)
	if l.buf = nil; err == nil {
		err = l.err
	}
	c.heardOf(l.n)
	return l.n, err
}

// read reads what is there; false: nothing is yet.
func (l *lateRead) read(fd uintptr) bool {
	buf := l.buf.Take()
	for {
		n, err := unix.Read(int(fd), buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			l.buf.Drop()
			return false
		case err != nil:
			l.err = os.NewSyscallError("read", err)
		case n == 0:
			l.err = io.EOF
		}
		l.n = max(n, 0)
		return true
	}
}
