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
	"sync"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/upstream"
)

// A plain speaks HTTP/1 with one upstream, for requests that have no body and
// may be repeated, which are most. The goroutine of the request writes and reads
// the connection itself. http.Transport hands both to goroutines of the
// connection, which costs more than all else that a small answer needs. What is
// written and read is net/http's affair here too.
type plain struct {
	address  upstream.Address
	dialer   net.Dialer
	timeouts Timeouts

	mu    sync.Mutex // guards the rest
	idle  []*line    // unused connections, the last used one last; at most maxIdle
	sweep *time.Timer
	left  bool // no connection is kept any more
}

func newPlain(a upstream.Address, t Timeouts) *plain {
	return &plain{address: a, dialer: net.Dialer{Timeout: t.Connect}, timeouts: t}
}

// takes reports whether a request can go this way.
func (p *plain) takes(o *outgoing) bool {
	return p != nil && o.repeatable() && len(o.header["Expect"]) == 0
}

// A line is a connection of a plain. One exchange at a time has it.
type line struct {
	net.Conn
	home *plain
	raw  syscall.RawConn
	br   *bufio.Reader
	bw   *bufio.Writer

	room  int       // bytes that the header may still have
	body  bool      // the header is there
	until time.Time // the deadline that is set; zero: none
	since time.Time // when it became idle
}

var errHeaderSize = fmt.Errorf("the header of the answer has more than %d bytes", maxHeader)

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
		n, err := l.Conn.Read(b)
		l.room -= n
		if err == nil || n > 0 || !l.body || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if err := l.arm(l.home.timeouts.Header); err != nil {
			return 0, err
		}
	}
}

// arm makes sure that at least limit is left to the deadline, and at most a
// quarter more, so that setting the timer is the exception.
func (l *line) arm(limit time.Duration) error {
	now := time.Now()
	if l.until.Sub(now) >= limit {
		return nil
	}
	l.until = now.Add(limit + limit/4)
	return l.SetReadDeadline(l.until)
}

// rawConn is the descriptor of c, or nil.
func rawConn(c net.Conn) syscall.RawConn {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// send sends the request and returns the answer, whose body the caller closes.
// hint is told of informational answers. The context ends the exchange, to the
// end of the body.
func (p *plain) send(ctx context.Context, r *http.Request, hint func(int, textproto.MIMEHeader) error) (*http.Response, error) {
	for {
		l := p.take()
		used := l != nil
		if !used {
			c, err := p.dialer.DialContext(ctx, p.address.Network, p.address.Addr)
			if err != nil {
				return nil, err
			}
			l = &line{Conn: c, home: p, raw: rawConn(c)}
			l.br, l.bw = bufio.NewReaderSize(l, wireBuffer), bufio.NewWriterSize(c, wireBuffer)
		}
		stop := context.AfterFunc(ctx, func() { _ = l.Close() })
		res, err := l.exchange(r, hint)
		if err == nil {
			l.hand(res, stop)
			return res, nil
		}
		stop()
		_ = l.Close()
		// The upstream closes what it kept for long enough, perhaps just now.
		if !used || l.room < maxHeader || ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
	}
}

// exchange writes the request and reads the header of the answer.
func (l *line) exchange(r *http.Request, hint func(int, textproto.MIMEHeader) error) (*http.Response, error) {
	l.room, l.body = maxHeader, false
	if err := l.arm(l.home.timeouts.Header); err != nil {
		return nil, err
	}
	if err := r.Write(l.bw); err != nil {
		return nil, fmt.Errorf("send the request: %w", err)
	}
	if err := l.bw.Flush(); err != nil {
		return nil, fmt.Errorf("send the request: %w", err)
	}
	for {
		res, err := http.ReadResponse(l.br, r)
		if err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		if res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			l.body = true
			return res, nil
		}
		if err := hint(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
			return nil, err
		}
	}
}

// hand gives the connection to the body of the answer. stop ends that the
// context ends it.
func (l *line) hand(res *http.Response, stop func() bool) {
	if res.StatusCode == http.StatusSwitchingProtocols {
		res.Close = true // nobody asked for it
	}
	if res.Body != http.NoBody {
		res.Body = &answerBody{src: res.Body, line: l, stop: stop, last: res.Close}
		return
	}
	l.done(stop, res.Close)
}

// done is the end of an exchange: the connection is kept or closed.
func (l *line) done(stop func() bool, last bool) {
	if stop() && !last && l.br.Buffered() == 0 && l.home.keep(l) {
		return
	}
	_ = l.Close()
}

// An answerBody is the body of an answer. At its end the connection is free; one
// that is closed before takes it along.
type answerBody struct {
	src  io.Reader
	line *line // nil: given back
	stop func() bool
	last bool
}

func (b *answerBody) Read(p []byte) (int, error) {
	if b.line == nil {
		return 0, io.EOF
	}
	n, err := b.src.Read(p)
	if err != nil {
		b.end(b.last || err != io.EOF) //nolint:errorlint // io.Reader's contract
	}
	return n, err
}

// Close does not read what is left, as that of net/http would.
func (b *answerBody) Close() error {
	b.end(true)
	return nil
}

func (b *answerBody) end(last bool) {
	if b.line != nil {
		b.line.done(b.stop, last)
		b.line = nil
	}
}

// take is an unused connection that works, or nil.
func (p *plain) take() *line {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return nil
		}
		l := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if silent(l.raw) {
			return l
		}
		_ = l.Close() // it has ended, or what it says is nobody's answer
	}
}

// keep takes a connection back; false: there are enough.
func (p *plain) keep(l *line) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left || len(p.idle) >= maxIdle {
		return false
	}
	l.since = time.Now()
	p.idle = append(p.idle, l)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.timeouts.KeepAlive, p.expire)
	}
	return true
}

// expire closes what was not used for too long. The longest unused is first.
func (p *plain) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, old := time.Now(), 0
	for old < len(p.idle) && now.Sub(p.idle[old].since) >= p.timeouts.KeepAlive {
		_ = p.idle[old].Close()
		old++
	}
	rest := copy(p.idle, p.idle[old:])
	clear(p.idle[rest:])
	p.idle = p.idle[:rest]
	if p.sweep = nil; rest > 0 && !p.left {
		p.sweep = time.AfterFunc(p.timeouts.KeepAlive-now.Sub(p.idle[0].since), p.expire)
	}
}

// leave closes what is unused, now and later. It may be called on nil.
func (p *plain) leave() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = true
	for _, l := range p.idle {
		_ = l.Close()
	}
	p.idle = nil
	if p.sweep != nil {
		p.sweep.Stop()
	}
}
