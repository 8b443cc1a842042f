package mux

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSend is how much one sendfile sends, in bytes: what interrupts a process waits for
// no longer than that takes.
const maxSend = 4 << 20

// A sending is a part of a file on its way. They are used again and again, because
// functions that are handed to a RawConn would be allocated for each.
type sending struct {
	conn      syscall.RawConn
	fd        int
	off, left int64
	err       error
	open      func(fd uintptr)
	send      func(fd uintptr) bool
}

var sendings = sync.Pool{New: func() any {
	s := new(sending)
	s.open, s.send = s.begin, s.step
	return s
}}

// begin has the file's descriptor.
func (s *sending) begin(fd uintptr) {
	s.fd = int(fd)
	if err := s.conn.Write(s.send); err != nil {
		s.err = err
	}
}

// step sends; false: the socket takes no more now.
func (s *sending) step(fd uintptr) bool {
	for s.left > 0 {
		n, err := unix.Sendfile(int(fd), s.fd, &s.off, int(min(s.left, maxSend)))
		s.left -= int64(max(n, 0))
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil:
			s.err = os.NewSyscallError("sendfile", err)
			return true
		case n == 0:
			s.err = io.EOF // it has become shorter
			return true
		}
	}
	return true
}

// sendPart sends a part of a file, whose own place does not matter and is not moved:
// others may read it at the same time. ok is false where the kernel cannot do it;
// nothing was sent then.
func (c *Conn) sendPart(f *os.File, off, size int64) (total int64, err error, ok bool) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err, true
	}
	s := sendings.Get().(*sending)
	defer func() {
		s.conn = nil
		sendings.Put(s)
	}()
	s.conn, s.off, s.left = c.raw, off, size
	err = c.orGuarded(func() (int64, error) {
		s.err = nil
		before := s.left
		if err := raw.Control(s.open); err != nil {
			return 0, err
		}
		return before - s.left, s.err
	})
	total = size - s.left
	if total == 0 && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)) {
		return 0, nil, false
	}
	if err == io.EOF { //nolint:errorlint // our own
		err = nil // who counts sees it
	}
	return total, err, true
}
