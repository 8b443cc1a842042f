package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/nowait"
)

// quick is how long an exchange waits for its answer before it makes sure that it
// learns when its client leaves. Most answers are there before, and the timers and
// the hook on the request's context cost more than reading a small answer.
const quick = 100 * time.Millisecond

var (
	errHeaderSize = fmt.Errorf("the header of the answer has more than %d bytes", maxHeader)
	// errStale: the connection had ended, or said something unasked. Nothing was
	// sent.
	errStale = errors.New("the connection was closed while it waited")
)

// A line is a connection of a plain. One exchange at a time has it. It reads by
// system calls of its own: the request is written and the answer awaited in one
// step, without a read in vain between the two.
type line struct {
	net.Conn
	home *plain
	raw  syscall.RawConn
	br   *bufio.Reader

	x     *exchange   // that has it
	stop  func() bool // of the hook that closes the line with the exchange; nil: there is none
	out   []byte      // of the request, what was not written yet
	sent  bool        // some of the request was written
	used  bool        // it had an exchange before
	begun time.Time   // when the request was sent
	room  int         // bytes that the header may still have
	body  bool        // the header is there
	until time.Time   // the deadline that is set; zero: none
	since time.Time   // when it became idle

	// What step works on.
	step func(fd uintptr) bool
	into []byte
	n    int
	err  error
}

func newLine(c net.Conn, home *plain) (*line, error) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("connect: %T is no socket", c)
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	l := &line{Conn: c, home: home, raw: raw}
	l.br = bufio.NewReaderSize(l, wireBuffer)
	l.step = l.once
	return l, nil
}

// once writes the request if it is still to be written, then reads; false: the
// answer is not there yet.
func (l *line) once(fd uintptr) bool {
	if len(l.out) > 0 {
		if l.used && !l.sent && !l.silent(int(fd)) {
			l.err = errStale
			return true
		}
		n, err := nowait.Write(int(fd), l.out, false)
		if n > 0 {
			l.out, l.sent = l.out[n:], true
		}
		if err != nil && err != unix.EAGAIN { //nolint:errorlint // as the kernel says it
			l.err = os.NewSyscallError("write", err)
			return true
		}
		return len(l.out) > 0 // the rest is written in the ordinary way
	}
	n, err := nowait.Read(int(fd), l.into)
	switch {
	case err == unix.EAGAIN: //nolint:errorlint // as the kernel says it
		return false
	case err != nil:
		l.err = os.NewSyscallError("read", err)
	case n == 0:
		l.err = io.EOF
	}
	l.n = n
	return true
}

// Read implements io.Reader. In the header the deadline counts; in the body the
// exchange's watch does.
func (l *line) Read(b []byte) (int, error) {
	for {
		if !l.body {
			if l.room <= 0 {
				return 0, errHeaderSize
			}
			b = b[:min(len(b), l.room)]
		}
		n, err := l.move(b)
		if !l.body {
			l.room -= n
		}
		if err == nil || n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || l.stop != nil && !l.body {
			return n, err
		}
		if err := l.linger(); err != nil {
			return 0, err
		}
	}
}

// move writes what is left of the request and reads once.
func (l *line) move(b []byte) (int, error) {
	l.into, l.n, l.err = b, 0, nil
	for {
		err := l.raw.Read(l.step)
		if err == nil {
			err = l.err
		}
		if err != nil || len(l.out) == 0 {
			return l.n, err
		}
		n, err := l.Conn.Write(l.out)
		l.out = l.out[n:]
		if err != nil {
			return 0, err
		}
	}
}

// linger prepares for an exchange that takes its time: from now on the line is
// closed when its request ends, and the deadline is that of the header, or of the
// next look at the body, which the exchange's watch is in charge of.
func (l *line) linger() error {
	if l.stop == nil {
		l.stop = context.AfterFunc(l.x.context(), func() { _ = l.Close() })
	}
	l.until = l.begun.Add(l.home.timeouts.Header)
	if l.body {
		l.until = time.Now().Add(l.home.timeouts.Header)
	}
	return l.SetDeadline(l.until)
}

// arm makes sure that the deadline is between half and the whole of quick away, so
// that setting it is the exception.
func (l *line) arm(now time.Time) error {
	if left := l.until.Sub(now); left >= quick/2 && left <= quick {
		return nil
	}
	l.until = now.Add(min(quick, l.home.timeouts.Header))
	return l.SetDeadline(l.until)
}

// exchange sends the request, which is in l.out, and reads the head of the answer.
func (l *line) exchange(x *exchange, now time.Time) (*answer, error) {
	l.x, l.begun, l.sent, l.room, l.body = x, now, false, maxHeader, false
	if err := l.arm(now); err != nil {
		return nil, err
	}
	if _, err := l.br.Peek(1); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	l.used = true
	b, _ := l.br.Peek(l.br.Buffered()) // it is all there
	if h, n, ok := parseHead(b, x.r.Method, x.lines[:0]); ok {
		_, _ = l.br.Discard(n)
		l.body = true
		return l.answer(answer{head: h, left: h.length}), nil
	}
	for {
		res, err := http.ReadResponse(l.br, &http.Request{Method: x.r.Method})
		if err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		if res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			l.body = true
			a := fromResponse(res, x.lines[:0])
			a.last = res.Close || res.StatusCode == http.StatusSwitchingProtocols // nobody asked for it
			return l.answer(a), nil
		}
		if err := x.hint(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
			return nil, err
		}
	}
}

// answer hands the line to the body of the answer.
func (l *line) answer(a answer) *answer {
	x := l.x
	x.answer = a
	if a.src == nil && a.left == 0 {
		l.done(a.last)
		return &x.answer
	}
	x.answer.line = l
	if a.src != nil || a.left > int64(l.br.Buffered()) {
		if err := l.linger(); err != nil {
			_ = l.Close() // so that reading fails
		}
	}
	return &x.answer
}

// done is the end of an exchange: the connection is kept or closed.
func (l *line) done(last bool) {
	free := l.stop == nil || l.stop()
	if l.stop != nil {
		l.until = time.Time{} // far away
	}
	l.stop, l.x = nil, nil
	if free && !last && l.br.Buffered() == 0 && l.home.keep(l) {
		return
	}
	_ = l.Close()
}

// silent reports whether a connection is open and has said nothing, which is how
// one that waits for a request must be: what it said would be taken for the
// answer to the next one. Where it is not, it is of no use any more.
func (l *line) silent(fd int) bool {
	_, err := nowait.Read(fd, l.into[:1])
	return err == unix.EAGAIN //nolint:errorlint // as the kernel says it
}
