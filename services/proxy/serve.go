package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/httperr"
	"github.com/porticod/portico/pkg/upstream"
)

// Why a request's context was ended by us.
var (
	errIdle    = errors.New("nothing moved for too long")
	errDrained = errors.New("the service comes to an end")
	// errGone: a reload took the upstream away just now.
	errGone = errors.New("the upstream is not configured any more")
)

// An exchange is a request and its answer.
type exchange struct {
	s      *Service
	g      *generation
	w      http.ResponseWriter
	r      *http.Request
	out    outgoing
	answer answer // the last one

	ctx      context.Context // see context; nil: not yet
	cancel   context.CancelCauseFunc
	watch    *watch
	answered bool     // the header of the answer is there
	cache    *caching // nil: there is none

	asked, lines [24]field // room for both headers; what is longer gets its own
}

// exchanges are used again and again: each is 2 KiB, and memory that was used just now is
// at hand.
var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchanges.Get().(*exchange)
	defer x.free()
	x.s, x.g, x.w, x.r = s, s.gen.Load(), w, r
	err := x.out.prepare(x.g, r, x.asked[:0])
	switch {
	case errors.Is(err, errLoop):
		s.often.Error().Str("host", r.Host).Msg("an upstream leads back to this service")
		httperr.Write(w, r, http.StatusLoopDetected, "loop", "This request cannot be passed on: "+err.Error()+".")
		return
	case err != nil:
		httperr.Write(w, r, http.StatusBadRequest, "bad_request", "This request cannot be passed on: "+err.Error()+".")
		return
	}
	if forwards, ok := x.out.forwardsLeft(); ok && forwards == 0 {
		w.WriteHeader(http.StatusNoContent) // it was meant for whom it would reach here
		return
	}
	defer x.end()
	if x.g.store != nil && x.recall() {
		return
	}
	if r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody {
		x.context()
		if err := x.out.receive(x); err != nil {
			x.fail(err)
			return
		}
	}
	if x.out.body != nil && r.ProtoMajor == 1 {
		// An answer may come while the request is still being sent. Where this
		// is not possible the answer waits.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	x.run()
}

// context is what the exchange ends with: the request, or an idle time of which
// nothing moved. Small exchanges do without, because it costs more than they do.
// Only the handler's goroutine calls it.
func (x *exchange) context() context.Context {
	if x.ctx == nil {
		x.ctx, x.cancel = context.WithCancelCause(x.r.Context())
		x.watch = newWatch(x.g.cfg.Timeouts.Idle, func() { x.cancel(errIdle) })
		if !x.answered {
			x.watch.rest()
		}
	}
	return x.ctx
}

// ended is why the exchange has to end, or nil.
func (x *exchange) ended() error {
	if x.ctx != nil {
		return context.Cause(x.ctx)
	}
	return context.Cause(x.r.Context())
}

// free lets another request have the exchange, unless somebody may still look at it:
// whoever waits for its end, or fills the store.
func (x *exchange) free() {
	if x.ctx == nil && x.cache == nil {
		*x = exchange{}
		exchanges.Put(x)
	}
}

func (x *exchange) end() {
	x.filled(false)
	x.out.body.end()
	x.watch.stop()
	if x.ctx != nil {
		x.cancel(nil)
	}
}

// run tries upstreams until one has answered.
func (x *exchange) run() {
	want := x.g.want(x.r, x.s)
	lease, err := x.s.pool.Acquire(x.r.Context(), want)
	if err != nil {
		x.fail(err)
		return
	}
	for attempt := 1; ; attempt++ {
		a, err := x.try(lease)
		more := attempt < x.g.cfg.Retry.Attempts
		switch {
		case err == nil && !(more && x.unwanted(a)):
			x.deliver(lease, a, want)
			return
		case err != nil:
			lease.Release()
			if !more || !x.mayRepeat(err) {
				x.fail(err)
				return
			}
		}
		want.Not = append(want.Not, lease.Upstream)
		next, none := x.s.pool.Acquire(x.r.Context(), want)
		switch {
		case none != nil && err != nil:
			x.fail(err)
			return
		case none != nil: // what there is is good enough if nobody has better
			x.deliver(lease, a, want)
			return
		case err == nil:
			a.close()
			lease.Release()
		}
		lease = next
		x.s.metrics.retries.Inc()
	}
}

// unwanted reports whether another upstream should be asked instead.
func (x *exchange) unwanted(a *answer) bool {
	return slices.Contains(x.g.cfg.Retry.Statuses, a.status) && x.out.repeatable()
}

// mayRepeat reports whether a request that failed may go to another upstream.
func (x *exchange) mayRepeat(err error) bool {
	if x.ended() != nil || isTimeout(err) && !isDial(err) {
		return false // another one would take as long
	}
	unsent := isDial(err) || errors.Is(err, errGone)
	return unsent && x.out.body.untouched() || x.out.repeatable()
}

// isDial reports whether nothing was sent because there was no connection.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, errIdle)
}

// try sends the request to one upstream and reports to the pool how that went.
// If there is no error the caller closes the body of the answer.
func (x *exchange) try(lease *upstream.Lease) (*answer, error) {
	wire := x.wire(lease.Upstream.Address)
	if wire == nil {
		return nil, errGone
	}
	m := x.s.metrics
	m.attempts.Inc()
	if x.out.body != nil {
		x.watch.wake()
	} else {
		x.watch.rest()
	}
	start := time.Now()
	a, err := wire.send(x, start)
	if err == nil {
		m.header.Observe(time.Since(start).Seconds())
		x.answered = true
		x.watch.stayAwake()
		if slices.Contains(x.g.cfg.Passive.Statuses, a.status) {
			lease.Fail(fmt.Errorf("the answer is %d %s", a.status, http.StatusText(a.status)))
		} else {
			lease.OK()
		}
		return a, nil
	}
	if cause := x.ended(); cause != nil {
		err = cause
	}
	if x.r.Context().Err() != nil || x.out.body.failure() != nil || errors.Is(err, errLineBreak) {
		return nil, err // the client's affair
	}
	lease.Fail(err)
	m.failures.Inc()
	if isTimeout(err) {
		m.timeouts.Inc()
	}
	x.s.often.Warn().Stringer("upstream", lease.Upstream.Address).Str("request_id", x.r.Header.Get("X-Request-Id")).
		Err(err).Msg("the upstream did not answer")
	return nil, err
}

// wire is how to reach an upstream; nil where it went away.
func (x *exchange) wire(a upstream.Address) *wire {
	if w := x.g.wires[a]; w != nil {
		return w
	}
	return x.s.gen.Load().wires[a] // a reload has added it since the request came
}

// fail answers with what went wrong. Where upstreams are is nobody's affair.
func (x *exchange) fail(err error) {
	m := x.s.metrics
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(x.out.body.failure(), &tooLarge):
		x.refuse(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("The request body is larger than %d bytes.", tooLarge.Limit))
	case x.out.body.failure() != nil && (errors.Is(x.ended(), errIdle) || errors.Is(x.out.body.failure(), os.ErrDeadlineExceeded)):
		x.refuse(http.StatusRequestTimeout, "request_timeout", "The request body did not come in time.")
	case x.out.body.failure() != nil:
		x.refuse(http.StatusBadRequest, "bad_request", "The request body broke off.")
	case errors.Is(err, errLineBreak):
		x.refuse(http.StatusBadRequest, "bad_request", "This request cannot be passed on: "+err.Error()+".")
	case x.r.Context().Err() != nil:
		x.refuse(http.StatusServiceUnavailable, "unavailable", "The request was ended before it was answered.")
	case x.staleAfter(0):
	case errors.Is(err, upstream.ErrBusy):
		m.busy.Inc()
		x.refuse(http.StatusServiceUnavailable, "busy", "The servers behind this port have enough to do; try again in a moment.")
	case errors.Is(err, upstream.ErrDown):
		m.unserved.Inc()
		x.w.Header().Set("Retry-After", strconv.Itoa(int(max(1, x.g.cfg.Passive.Down.Round(time.Second).Seconds()))))
		x.refuse(http.StatusServiceUnavailable, "no_upstream", "No server behind this port is up; try again later.")
	case isTimeout(err):
		x.refuse(http.StatusGatewayTimeout, "gateway_timeout", "The server behind this port did not answer in time.")
	default:
		x.refuse(http.StatusBadGateway, "bad_gateway", "The server behind this port did not answer.")
	}
}

func (x *exchange) refuse(status int, code, message string) {
	if x.out.body != nil && x.r.ProtoMajor == 1 {
		x.w.Header().Set("Connection", "close") // rather than reading the rest of the body
	}
	httperr.Write(x.w, x.r, status, code, message)
}

// hint passes early hints (103) on while the answer is awaited.
func (x *exchange) hint(code int, header textproto.MIMEHeader) error {
	if code != http.StatusEarlyHints {
		return nil
	}
	links := x.w.Header()
	before := links["Link"]
	links["Link"] = header["Link"]
	x.w.WriteHeader(code)
	if links["Link"] = before; before == nil {
		delete(links, "Link")
	}
	return nil
}

// hints are those that come through http.Transport, in a goroutine of its own.
type hints struct {
	x     *exchange
	mu    sync.Mutex
	ended bool
}

func (h *hints) got(code int, header textproto.MIMEHeader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return nil
	}
	return h.x.hint(code, header)
}

func (h *hints) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
}
