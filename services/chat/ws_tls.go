package chat

import (
	"errors"
	"os"
	"sync"
	"time"
)

const (
	// recordTime is how long a record that has begun to come is waited for, before
	// its connection is parked again amid it.
	recordTime = 20 * time.Millisecond
	// directMost is what a socket takes without waiting that says that it can be
	// written to: a third of its buffer is free then, and the smallest that the
	// kernel begins with has 16 KiB.
	directMost = 4 << 10
)

// A writeLimit is the deadline that a TLS connection has for writes to a socket
// with room. It is a timer, so it is set seldom, and stands when they are done.
type writeLimit struct {
	mu sync.Mutex
	by int64 // a moment of the wheel; 0: there is none of this kind; guarded by mu
}

// limitWrites sees to it that writes have more than left until their deadline.
func (t *wsConn) limitWrites(left time.Duration) error {
	t.limit.mu.Lock()
	defer t.limit.mu.Unlock()
	return t.limitLater(left)
}

// limitReads does so for what TLS writes by itself when it is read from: the answer
// to a KeyUpdate (RFC 8446, section 4.6.3). One that fails ends the connection. The
// deadline of who waits for the client stays as it is.
func (t *wsConn) limitReads() error {
	t.limit.mu.Lock()
	defer t.limit.mu.Unlock()
	if t.limit.by == 0 {
		return nil
	}
	return t.limitLater(time.Second)
}

// limitLater needs the limit's mu.
func (t *wsConn) limitLater(left time.Duration) error {
	now := time.Now()
	at := t.cmd.s.chat.wheel.moment(now)
	if t.limit.by-at > int64(left) {
		return nil
	}
	t.limit.by = at + int64(drainTimeout)
	return t.SetWriteDeadline(now.Add(drainTimeout))
}

// unlimited has writes obey a deadline that is not the limit's; zero: none.
func (t *wsConn) unlimited(deadline time.Time) error {
	t.limit.mu.Lock()
	defer t.limit.mu.Unlock()
	t.limit.by = 0
	return t.SetWriteDeadline(deadline)
}

// longAgo is a deadline that is over: a read takes what TLS holds already, and
// nothing from the socket.
var longAgo = time.Unix(1, 0)

// readRecords takes the records that are there. The first may wait for the rest
// of a record until a deadline. The others come out of what TLS has read beyond
// it, which the poller knows nothing of, so nothing whole may be left there. A
// deadline that is over does a tls.Conn no harm: a part of a record stays in it.
func (t *wsConn) readRecords(first time.Time) error {
	buf := readBuffers.Get().(*[readSize]byte)
	defer readBuffers.Put(buf)
	for by := first; ; by = longAgo {
		if err := errors.Join(t.SetReadDeadline(by), t.limitReads()); err != nil {
			return err
		}
		n, err := t.Read(buf[:])
		if n > 0 {
			t.take(buf[:n])
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
	}
}

// offerRecords writes b where the socket has room for it. A TLS connection cannot
// write a part: whoever does not keep up is left to rest.
func (t *wsConn) offerRecords(b []byte) (all bool, err error) {
	if len(b) > directMost || !roomNow(t.raw) {
		return false, nil
	}
	if err := t.limitWrites(drainTimeout / 2); err != nil {
		return false, err
	}
	_, err = t.Write(b)
	return err == nil, err
}
