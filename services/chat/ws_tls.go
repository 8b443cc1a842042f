package chat

import (
	"errors"
	"os"
	"time"
)

const (
	// recordTime is how long a record that has begun to come is waited for, before
	// its connection is parked again amid it.
	recordTime = 20 * time.Millisecond
	// directMost is what a socket takes without waiting that says that it can be
	// written to: a third of its buffer is free then.
	directMost = 16 << 10
)

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
		if err := t.SetReadDeadline(by); err != nil {
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
	now := time.Now()
	if at := t.cmd.s.chat.wheel.moment(now); t.writeBy-at < int64(drainTimeout/2) { // seldom: it is a timer
		t.writeBy = at + int64(drainTimeout)
		if err := t.SetWriteDeadline(now.Add(drainTimeout)); err != nil {
			return false, err
		}
	}
	_, err = t.Write(b)
	return err == nil, err
}
