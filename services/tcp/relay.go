package tcp

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// An end is why a relay came to its end.
type end int32

const (
	endNone   end = iota
	endClosed     // both sides said that they have no more
	endBroken     // one of them broke off
	endIdle       // nothing came for too long
	endTime       // the service was asked to stop
)

func (e end) String() string {
	return [...]string{"none", "closed", "broken", "idle", "stopped"}[e]
}

// countEvery is after how many bytes a copy that goes on is counted.
const countEvery = 16 << 20

// A relay is a pair of connections.
type relay struct {
	client, up   net.Conn // to be closed
	clientSocket net.Conn // what bytes are moved through
	metrics      *metrics
	idle         time.Duration

	inKernel bool         // the kernel moves the bytes and knows how many
	moved    atomic.Int64 // bytes, where it does not
	why      atomic.Int32 // an end

	mu       sync.Mutex // guards the rest
	timer    *time.Timer
	progress int64
	since    time.Time // when progress was made
}

func newRelay(client, up net.Conn, idle time.Duration, m *metrics) *relay {
	r := &relay{client: client, up: up, clientSocket: kernelSocket(client), metrics: m, idle: idle}
	_, ok1 := kernelBytes(r.clientSocket)
	_, ok2 := kernelBytes(up)
	r.inKernel = ok1 || ok2 // what moves on one side moves on the other
	return r
}

// run moves bytes in both directions until both have ended.
func (r *relay) run() end {
	r.watch()
	defer r.unwatch()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.direction(r.up, r.clientSocket, r.metrics.received)
	}()
	r.direction(r.clientSocket, r.up, r.metrics.sent)
	<-done
	r.why.CompareAndSwap(int32(endNone), int32(endClosed))
	return end(r.why.Load())
}

// direction moves what src sends to dst and then ends dst's side; the other
// direction goes on.
func (r *relay) direction(dst, src net.Conn, count prometheus.Counter) {
	if err := r.move(dst, src, count); err != nil {
		r.abort()
		return
	}
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // where dst is broken the other direction finds out
		return
	}
	_ = dst.Close() // all that can be said to what has no half
}

func (r *relay) move(dst, src net.Conn, count prometheus.Counter) error {
	if !r.inKernel {
		return r.carry(dst, src, count)
	}
	for {
		if _, ok := dst.(*net.UnixConn); ok {
			n, err := io.Copy(dst, src) // splice into a unix socket knows no limit
			count.Add(float64(n))
			return err
		}
		part := io.LimitedReader{R: src, N: countEvery}
		n, err := io.Copy(dst, &part)
		count.Add(float64(n))
		if err != nil || part.N > 0 {
			return err
		}
	}
}

// carry moves bytes by hand and notes each move.
func (r *relay) carry(dst, src net.Conn, count prometheus.Counter) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			r.moved.Add(int64(n))
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
			r.moved.Add(1) // it was taken
			count.Add(float64(n))
		}
		if err == io.EOF { //nolint:errorlint // io.Reader's contract
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sofar is a number that changes whenever bytes move.
func (r *relay) sofar() int64 {
	if !r.inKernel {
		return r.moved.Load()
	}
	a, _ := kernelBytes(r.clientSocket)
	b, _ := kernelBytes(r.up)
	return a + b
}

// watch looks four times in each idle time whether bytes move. Deadlines would
// stop a copy in its middle, with bytes in its hands.
func (r *relay) watch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress, r.since = r.sofar(), time.Now()
	r.timer = time.AfterFunc(r.pause(), r.look)
}

func (r *relay) pause() time.Duration { return max(r.idle/4, time.Millisecond) }

func (r *relay) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer == nil {
		return
	}
	now := time.Now()
	if n := r.sofar(); n != r.progress {
		r.progress, r.since = n, now
	} else if now.Sub(r.since) >= r.idle {
		r.close(endIdle)
		return
	}
	r.timer.Reset(r.pause())
}

func (r *relay) unwatch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer.Stop()
	r.timer = nil
}

// cut ends the relay because its time is up.
func (r *relay) cut() { r.close(endTime) }

// abort passes on that one side broke off: the other must not take it for an
// end.
func (r *relay) abort() {
	if end(r.why.Load()) != endNone {
		return // closed by us
	}
	reset(r.client)
	reset(r.up)
	r.close(endBroken)
}

// close closes both connections, which ends the copies. The first reason counts.
func (r *relay) close(why end) {
	if r.why.CompareAndSwap(int32(endNone), int32(why)) {
		switch why {
		case endIdle:
			r.metrics.idle.Inc()
		case endBroken:
			r.metrics.aborted.Inc()
		}
	}
	_ = r.client.Close()
	_ = r.up.Close()
}

// reset makes the coming Close of c a reset, so that the peer learns of an
// abort.
func reset(c net.Conn) {
	if t, ok := kernelSocket(c).(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
}

// kernelSocket unwraps c to what the kernel can copy from and to, if that is all
// there is to c. What NetConn returns of a TLS connection is not what it carries.
func kernelSocket(c net.Conn) net.Conn {
	if w, ok := c.(interface{ NetConn() net.Conn }); ok {
		switch sock := w.NetConn().(type) {
		case *net.TCPConn, *net.UnixConn:
			return sock
		}
	}
	return c
}
