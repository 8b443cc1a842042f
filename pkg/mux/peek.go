package mux

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxPeek is how much of a connection is looked at, at most.
const maxPeek = 16 << 10

// Buffers are held only while they are looked at, not while a client is waited
// for, so that ten thousand silent clients hold none.
var peekBuffers = sync.Pool{New: func() any { return new([maxPeek]byte) }}

// A looker is shown what a client has sent so far, from the first byte, and
// reports whether it has seen enough. end: no more will come, or no more will
// be shown.
type looker func(b []byte, end bool) (done bool)

// peek shows look what the client sends, each time it is more, and leaves it in
// the kernel. It returns nil when look was satisfied, os.ErrDeadlineExceeded at
// the deadline, after which the caller may look once more with peekNow.
//
// Go's poller is edge-triggered: after look asked for more, the wait ends with
// the next arrival, not because of the bytes that are already there. So waiting
// costs nothing, and no growth after an arrival means that it was the end.
func (c *Conn) peek(deadline time.Time, look looker) error {
	if done, err := c.peekNow(false, look); done || err != nil {
		return err
	}
	// Only a client that let us wait costs a timer.
	if err := c.sock.SetReadDeadline(deadline); err != nil {
		return err
	}
	rc, err := c.sock.SyscallConn()
	if err != nil {
		return err
	}
	seen, perr := 0, error(nil)
	err = rc.Read(func(fd uintptr) bool {
		var done bool
		seen, done, perr = peekOnce(int(fd), seen, false, look)
		return done || perr != nil
	})
	if perr != nil {
		err = perr
	}
	if rerr := c.sock.SetReadDeadline(time.Time{}); err == nil {
		err = rerr
	}
	return err
}

// peekNow shows look what is there and does not wait.
func (c *Conn) peekNow(end bool, look looker) (done bool, err error) {
	rc, err := c.sock.SyscallConn()
	if err != nil {
		return false, err
	}
	var perr error
	err = rc.Control(func(fd uintptr) {
		_, done, perr = peekOnce(int(fd), -1, end, look)
	})
	if err == nil {
		err = perr
	}
	return done, err
}

// peekOnce looks at the socket's queue; seen is its length at the last look,
// negative at the first.
func peekOnce(fd, seen int, end bool, look looker) (n int, done bool, err error) {
	buf := peekBuffers.Get().(*[maxPeek]byte)
	defer peekBuffers.Put(buf)
	n, eof, err := recvPeek(fd, buf[:])
	if err != nil {
		return 0, false, err
	}
	end = end || eof || n == maxPeek
	if (end || n > max(seen, 0)) && look(buf[:n], end) {
		return n, true, nil
	}
	if end || n == 0 || !hungUp(fd) { // with an empty queue the end was seen as such
		return n, end, nil
	}
	// The end may have come with bytes that the first look did not see.
	if n, _, err = recvPeek(fd, buf[:]); err != nil {
		return 0, false, err
	}
	look(buf[:n], true)
	return n, true, nil
}

// recvPeek copies what is in the queue and leaves it there.
func recvPeek(fd int, b []byte) (n int, eof bool, err error) {
	for {
		n, _, err = unix.Recvfrom(fd, b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch err {
		case nil:
			return n, n == 0, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, false, nil
		default:
			return 0, false, err
		}
	}
}
