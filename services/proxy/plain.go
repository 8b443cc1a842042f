package proxy

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/upstream"
)

// A plain speaks HTTP/1 with one upstream, for requests whose body, if any, is
// small and here already, which are most. The goroutine of the request writes and
// reads the connection itself. http.Transport hands both to goroutines of the
// connection, which costs more than all else that a small answer needs.
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
func (p *plain) takes(o *outgoing, host string) bool {
	return p != nil && o.body == nil && !o.websocket && len(o.in.Trailer) == 0 && !o.fields.has("Expect") && isPlainHost(host)
}

// isPlainHost is for what net/http would send as it is, too.
func isPlainHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > ':') && c != '.' && c != '-' && c != '_' && c != '[' && c != ']' {
			return false
		}
	}
	return s != ""
}

// send sends the request and returns the answer, whose body the caller closes.
func (p *plain) send(x *exchange, host string, now time.Time) (*answer, error) {
	buf := x.s.coders.buffer()
	defer x.s.coders.putBuffer(buf)
	out, err := x.out.appendTo(buf[:0], host)
	if err != nil {
		return nil, err
	}
	for {
		l := p.take()
		if l == nil {
			c, err := p.dialer.DialContext(x.context(), p.address.Network, p.address.Addr)
			if err != nil {
				return nil, err
			}
			if l, err = newLine(c, p); err != nil {
				_ = c.Close()
				return nil, err
			}
			now = time.Now()
		}
		l.out = out
		a, err := l.exchange(x, now)
		l.out = nil
		if err == nil {
			return a, nil
		}
		if l.stop != nil {
			l.stop()
		}
		_ = l.Close()
		if !l.mayRepeat(x, err) {
			return nil, err
		}
	}
}

// mayRepeat reports whether the same request may go over another connection: the
// upstream closes what it kept for long enough, perhaps just now.
func (l *line) mayRepeat(x *exchange, err error) bool {
	if !l.used || l.room < maxHeader || x.ended() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	return !l.sent || x.out.repeatable()
}

// take is an unused connection, or nil.
func (p *plain) take() *line {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	l := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return l
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
