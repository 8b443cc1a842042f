package front

import (
	"context"
	"io"
	"math"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
)

// maxClients bounds the memory of each limit: 64 Ki addresses, about 8 MB.
const maxClients = 64 << 10

// A limit is a rate for each client, which reloads may change; what clients have
// used up is forgotten only then. The zero limit is none.
type limit struct{ now atomic.Pointer[perClient] }

type perClient struct {
	*ratelimit.Limiter[netip.Prefix]
	rate  float64
	burst int
}

// set is called by one goroutine at a time.
func (l *limit) set(rate float64, burst int) {
	if burst == 0 {
		burst = int(min(math.Ceil(rate), math.MaxInt32))
	}
	switch old := l.now.Load(); {
	case rate <= 0:
		l.now.Store(nil)
	case old == nil || old.rate != rate || old.burst != burst:
		l.now.Store(&perClient{ratelimit.New[netip.Prefix](rate, burst, maxClients), rate, burst})
	}
}

// exempt reports whether no limit of addresses holds for a: unix peers have none.
func exempt(a netip.Addr) bool { return !a.IsValid() || a.IsLoopback() }

// limitRate refuses a request of a client that asks too often.
func (x *exchange) limitRate(f *Front) (ok bool) {
	l := f.requests.now.Load()
	if l == nil || exempt(x.addr) {
		return true
	}
	wait := l.Take(ratelimit.Prefix(x.addr), x.start)
	if wait == 0 {
		return true
	}
	x.settings.Limited.count(limitedRequests)
	x.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	x.fail(http.StatusTooManyRequests, "rate_limited", "Too many requests from your address; try again later.")
	return false
}

// Pace is told of n bytes that are about to be sent to a, and returns for how
// long they must wait.
func (f *Front) Pace(a netip.Addr, n int) time.Duration {
	l := f.bytes.now.Load()
	if l == nil || exempt(a) {
		return 0
	}
	wait := l.Spend(ratelimit.Prefix(a), n, time.Now())
	if s := f.settings.Load(); wait > 0 && s != nil {
		s.Limited.slowed(wait)
	}
	return wait
}

const (
	firstPart = 16 << 10 // bytes of a body written at once, at first
	maxPart   = 64 << 10
	minPart   = 1 << 10
)

// A flow is how the body of an answer goes out where it is watched: in parts, so
// that each can be waited for.
type flow struct {
	paced *Front // nil: the client's answers are not slowed
	part  int    // bytes; 0: the body is not watched
	max   int
	meter ratelimit.Meter // not HTTP/1: the port sees its writes itself
}

// watch is called when the settings and the client are known.
func (x *exchange) watch(f *Front) {
	s, w := x.settings, &x.flow
	if l := f.bytes.now.Load(); l != nil && !exempt(x.addr) {
		w.paced = f
		w.max = int(min(max(l.rate/16, minPart), maxPart))
		w.part = w.max
	}
	if x.request.ProtoMajor >= 2 && s.WriteTimeout > 0 {
		if w.max == 0 {
			w.max = maxPart
		}
		w.part = min(w.max, firstPart)
		w.meter = ratelimit.Meter{Rate: float64(s.MinRate), Window: s.WriteTimeout}
	}
}

// writeParts writes p in parts that the client takes, each before its deadline.
func (x *exchange) writeParts(p []byte) (n int, err error) {
	for {
		part := p[n:min(len(p), n+x.flow.part)]
		if err := x.pause(len(part)); err != nil {
			return n, err
		}
		began := time.Now()
		x.begin()
		m, err := x.writePart(part)
		n += m
		if took := time.Since(began); err == nil {
			err = x.moved(m, took)
		} else if x.request.ProtoMajor >= 2 && !x.deadline.IsZero() && !began.Add(took).Before(x.deadline) {
			x.settings.Limited.count(limitedSlow)
		}
		if err != nil || n >= len(p) {
			return n, err
		}
	}
}

// readParts is writeParts for a source whose own ways, sendfile, are kept.
func (x *exchange) readParts(src io.Reader) (total int64, err error) {
	all, ok := src.(*io.LimitedReader)
	if !ok {
		all = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	for all.N > 0 {
		part := &io.LimitedReader{R: all.R, N: min(all.N, int64(x.flow.part))}
		if err := x.pause(int(part.N)); err != nil {
			return total, err
		}
		n, err := x.readPart(part)
		total += n
		all.N -= n
		if err != nil || part.N > 0 {
			return total, err
		}
	}
	return total, nil
}

// pause waits until n more bytes may go to the client.
func (x *exchange) pause(n int) error {
	if x.flow.paced == nil || n == 0 {
		return nil
	}
	wait := x.flow.paced.Pace(x.addr, n)
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-x.request.Context().Done():
		return context.Cause(x.request.Context())
	}
}

// moved has the parts of who takes them slowly become smaller, so that each
// moves before the deadline, and ends what is below the minimum rate.
func (x *exchange) moved(n int, took time.Duration) error {
	w := &x.flow
	if x.request.ProtoMajor < 2 || x.settings.WriteTimeout <= 0 {
		return nil
	}
	switch {
	case took > x.settings.WriteTimeout/16:
		w.part = minPart
	case took < x.settings.WriteTimeout/128:
		w.part = min(w.max, 2*w.part)
	}
	if !w.meter.Slow(int64(n), took) {
		return nil
	}
	x.settings.Limited.count(limitedSlow)
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Unix(1, 0)) // ends the stream
	return os.ErrDeadlineExceeded
}
