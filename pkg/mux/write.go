package mux

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
)

// writeGuard ends writes that make no progress. A peer that takes its data
// slowly is not cut: only time in which nothing moved counts, as the kernel
// sees it (bytes acknowledged), not as writes return.
type writeGuard struct {
	limit   atomic.Int64 // nanoseconds without progress; 0: the guard is off
	minRate atomic.Int64 // bytes a second; 0: any

	mu    sync.Mutex       // guards the rest
	meter *ratelimit.Meter // nil: the rate was not measured yet
	armed int64            // the guard's own deadline, in nanoseconds after born; 0: none
	user  int64            // what SetWriteDeadline was told, likewise
}

// moment is t as there may be many of them. The zero time is 0, and no other is.
func (c *Conn) moment(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if d := int64(t.Sub(c.born)); d != 0 {
		return d
	}
	return 1
}

// at is the opposite of moment.
func (c *Conn) at(moment int64) time.Time {
	if moment == 0 {
		return time.Time{}
	}
	return c.born.Add(time.Duration(moment))
}

// SetDeadline sets both deadlines. See SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets the deadline of reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.socket().SetReadDeadline(t) }

// SetWriteDeadline sets a deadline beside that of the write guard; the earlier
// one counts.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	g, s := &c.guard, c.socket()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.user = c.moment(t)
	return s.SetWriteDeadline(c.at(g.effective()))
}

func (g *writeGuard) effective() int64 {
	if g.armed == 0 || g.user != 0 && g.user < g.armed {
		return g.user
	}
	return g.armed
}

// arm makes sure that at least half of limit is left, so that setting the
// kernel's timer is the exception and not a part of every write.
func (c *Conn) arm(now time.Time, least, limit time.Duration) error {
	g := &c.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	at := c.moment(now)
	if g.armed != 0 && time.Duration(g.armed-at) >= least {
		return nil
	}
	g.armed = at + int64(limit)
	return c.sock.SetWriteDeadline(c.at(g.effective()))
}

func (c *Conn) userExpired(now time.Time) bool {
	g := &c.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.user != 0 && c.moment(now) >= g.user
}

// tooSlow notes a write of n bytes and reports whether the peer takes its data
// below the minimum rate.
func (g *writeGuard) tooSlow(n int64, took, limit time.Duration) bool {
	rate := g.minRate.Load()
	if rate == 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.meter == nil {
		g.meter = new(ratelimit.Meter)
	}
	g.meter.Rate, g.meter.Window = float64(rate), limit
	return g.meter.Slow(n, took)
}

// guarded repeats step, which writes and says how much, until it is done or
// nothing moved for the guard's limit (at most half as long again).
func (c *Conn) guarded(limit time.Duration, step func() (int64, error)) error {
	now := time.Now()
	if err := c.arm(now, limit/2, limit); err != nil {
		return err
	}
	last, mark := now, int64(-1)
	metered := c.guard.minRate.Load() > 0
	for {
		n, err := step()
		if metered && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) {
			began := now
			now = time.Now()
			if c.guard.tooSlow(n, now.Sub(began), limit) {
				c.ticket.stats.tooSlow(slowAnswer)
				c.giveUp()
				return os.ErrDeadlineExceeded
			}
		}
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		now = time.Now()
		if c.userExpired(now) {
			return err
		}
		// The kernel frees its buffer in pages, a slow peer may take less than
		// one in this time. So it is asked what the peer acknowledged.
		acked := sent(c.sock)
		if n > 0 || mark >= 0 && acked != mark {
			last = now
		} else if mark >= 0 && now.Sub(last) >= limit {
			c.giveUp()
			return err
		}
		mark = acked
		if err := c.arm(now, limit/2+1, limit/2); err != nil {
			return err
		}
	}
}

// giveUp has Close drop what the peer does not take. The kernel would otherwise
// keep it, and go on offering it, for minutes.
func (c *Conn) giveUp() {
	if tcp, ok := c.sock.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
}

// Write writes b. Where the port has a write timeout, it fails with
// os.ErrDeadlineExceeded when nothing moved for that long.
func (c *Conn) Write(b []byte) (int, error) {
	n := c.writeNow(c.more.Load(), b)
	if n == len(b) && n > 0 {
		c.moved(0, int64(n))
		return n, nil
	}
	step := func() (int64, error) {
		m, err := c.sock.Write(b[n:])
		n += m
		return int64(m), err
	}
	err := c.orGuarded(step)
	c.moved(0, int64(n))
	return n, err
}

// orGuarded takes a step that writes, and where the port has a write timeout as
// many as it takes.
func (c *Conn) orGuarded(step func() (int64, error)) error {
	if limit := c.guard.window(); limit > 0 {
		return c.guarded(limit, step)
	}
	_, err := step()
	return err
}

// window is for how long nothing may move; 0: the guard is off.
func (g *writeGuard) window() time.Duration { return time.Duration(g.limit.Load()) }

// WriteBuffers writes bufs with as few system calls as the kernel allows. What was
// written is taken out of them.
func (c *Conn) WriteBuffers(bufs net.Buffers) (n int64, err error) {
	n = int64(c.writeNow(false, bufs...))
	if bufs = consume(bufs, int(n)); len(bufs) > 0 {
		err = c.orGuarded(func() (int64, error) {
			m, err := bufs.WriteTo(c.sock)
			n += m
			return m, err
		})
	}
	c.moved(0, n)
	return n, err
}

// WriteMore is Write where more follows at once: the kernel is told so that it fills
// its packets.
func (c *Conn) WriteMore(b []byte) (int, error) {
	n := c.writeNow(true, b)
	c.moved(0, int64(n))
	if n == len(b) {
		return n, nil
	}
	m, err := c.Write(b[n:])
	return n + m, err
}

// SetMore makes Write what WriteMore is, or what it was. It is for who writes through
// TLS; in the end it must be off, and something be written.
func (c *Conn) SetMore(more bool) { c.more.Store(more) }

// file is what *os.File and its relatives without WriteTo have.
type file interface {
	io.Seeker
	syscall.Conn
	Stat() (fs.FileInfo, error)
}

// ReadFrom writes what r has. From a file or a section of one the kernel sends by
// itself (sendfile), from a socket it splices, unless a write timeout is set: a
// splice that is interrupted loses what is under way.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	tcp, ok := c.sock.(*net.TCPConn)
	if !ok {
		return copyPlain(c, r)
	}
	src, lr := r, (*io.LimitedReader)(nil)
	if lr, ok = r.(*io.LimitedReader); ok {
		src = lr.R
	}
	if part, ok := src.(*io.SectionReader); ok {
		if n, err, ok := c.sendSection(part, lr); ok {
			return n, err
		}
		return copyPlain(c, r)
	}
	if limit := c.guard.window(); limit > 0 {
		if f, ok := src.(file); ok {
			if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
				return c.sendFile(tcp, r, f, limit)
			}
		}
		return copyPlain(c, r)
	}
	switch s := src.(type) {
	case *Conn:
		return readFromSock(tcp, s.sock, lr)
	case syscall.Conn: // a socket, a file, or one of net's and os's disguises of them
		return tcp.ReadFrom(r)
	}
	return copyPlain(c, r)
}

// readFromSock splices from s, at most as much as lr allows.
func readFromSock(tcp *net.TCPConn, s sock, lr *io.LimitedReader) (int64, error) {
	if lr == nil {
		return tcp.ReadFrom(s)
	}
	bare := &io.LimitedReader{R: s, N: lr.N}
	n, err := tcp.ReadFrom(bare)
	lr.N -= n
	return n, err
}

// sendSection sends a section of a file, at most as much as lr allows; not ok: it is
// of something else, and nothing was sent.
func (c *Conn) sendSection(s *io.SectionReader, lr *io.LimitedReader) (n int64, err error, ok bool) {
	outer, off, size := s.Outer()
	f, ok := outer.(*os.File)
	at, err := s.Seek(0, io.SeekCurrent)
	if !ok || err != nil {
		return 0, nil, false
	}
	size = max(size-at, 0)
	if lr != nil {
		size = min(size, max(lr.N, 0))
	}
	if n, err, ok = c.sendPart(f, off+at, size); !ok {
		return 0, nil, false
	}
	if lr != nil {
		lr.N -= n
	}
	_, _ = s.Seek(n, io.SeekCurrent) // cannot fail: it is not before the beginning
	return n, err, true
}

// sendFile sends a regular file; r is f or limits it.
func (c *Conn) sendFile(tcp *net.TCPConn, r io.Reader, f file, limit time.Duration) (total int64, err error) {
	start, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	lr, limited := r.(*io.LimitedReader)
	var room int64
	if limited {
		room = lr.N
	}
	err = c.guarded(limit, func() (int64, error) {
		n, err := tcp.ReadFrom(r)
		total += n
		if err != nil {
			// Where sendfile cannot, net copies through a buffer and loses
			// what was in it. The file knows better.
			if _, serr := f.Seek(start+total, io.SeekStart); serr != nil {
				return n, serr
			}
			if limited {
				lr.N = room - total
			}
		}
		return n, err
	})
	return total, err
}

const copySize = 32 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// copyPlain copies through a pooled buffer, without the short cuts of either side.
func copyPlain(w io.Writer, r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:])
}
