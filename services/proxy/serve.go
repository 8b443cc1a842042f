package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
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
	s   *Service
	g   *generation
	w   http.ResponseWriter
	r   *http.Request
	out *outgoing

	ctx    context.Context // of what goes to upstreams
	cancel context.CancelCauseFunc
	watch  *watch
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := s.gen.Load()
	out, err := g.newOutgoing(r)
	switch {
	case errors.Is(err, errLoop):
		s.often.Error().Str("host", r.Host).Msg("an upstream leads back to this service")
		httperr.Write(w, r, http.StatusLoopDetected, "loop", "This request cannot be passed on: "+err.Error()+".")
		return
	case err != nil:
		httperr.Write(w, r, http.StatusBadRequest, "bad_request", "This request cannot be passed on: "+err.Error()+".")
		return
	}
	x := &exchange{s: s, g: g, w: w, r: r, out: out}
	x.ctx, x.cancel = context.WithCancelCause(r.Context())
	defer x.cancel(nil)
	x.watch = newWatch(g.cfg.Timeouts.Idle, func() { x.cancel(errIdle) })
	defer x.watch.stop()
	x.watch.rest()
	if out.body != nil {
		out.body.watch = x.watch
		defer out.body.end()
		if r.ProtoMajor == 1 {
			// An answer may come while the request is still being sent. Where this
			// is not possible the answer waits.
			_ = http.NewResponseController(w).EnableFullDuplex()
		}
	}
	x.run()
}

// run tries upstreams until one has answered.
func (x *exchange) run() {
	want := x.g.want(x.r, x.s.cookieName())
	lease, err := x.s.pool.Acquire(x.ctx, want)
	if err != nil {
		x.fail(err)
		return
	}
	for attempt := 1; ; attempt++ {
		res, err := x.try(lease)
		more := attempt < x.g.cfg.Retry.Attempts
		switch {
		case err == nil && !(more && x.unwanted(res)):
			x.deliver(lease, res, want)
			return
		case err != nil:
			lease.Release()
			if !more || !x.mayRepeat(err) {
				x.fail(err)
				return
			}
		}
		want.Not = append(want.Not, lease.Upstream)
		next, none := x.s.pool.Acquire(x.ctx, want)
		switch {
		case none != nil && err != nil:
			x.fail(err)
			return
		case none != nil: // what there is is good enough if nobody has better
			x.deliver(lease, res, want)
			return
		case err == nil:
			_ = res.Body.Close()
			lease.Release()
		}
		lease = next
		x.s.metrics.retries.Inc()
	}
}

// unwanted reports whether another upstream should be asked instead.
func (x *exchange) unwanted(res *http.Response) bool {
	return slices.Contains(x.g.cfg.Retry.Statuses, res.StatusCode) && x.out.repeatable()
}

// mayRepeat reports whether a request that failed may go to another upstream.
func (x *exchange) mayRepeat(err error) bool {
	if x.ctx.Err() != nil || isTimeout(err) && !isDial(err) {
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
func (x *exchange) try(lease *upstream.Lease) (*http.Response, error) {
	wire := x.wire(lease.Upstream.Address)
	if wire == nil {
		return nil, errGone
	}
	m := x.s.metrics
	m.attempts.Inc()
	if x.out.body != nil {
		x.watch.wake()
	}
	hints := &hints{w: x.w}
	start := time.Now()
	res, err := wire.send(x.ctx, x.out, x.out.to(lease.Upstream.Address, x.g.cfg.Host), hints.got)
	hints.end()
	if err == nil {
		m.header.Observe(time.Since(start).Seconds())
		x.watch.stayAwake()
		if slices.Contains(x.g.cfg.Passive.Statuses, res.StatusCode) {
			lease.Fail(fmt.Errorf("the answer is %s", res.Status))
		} else {
			lease.OK()
		}
		return res, nil
	}
	if cause := context.Cause(x.ctx); cause != nil {
		err = cause
	}
	if x.r.Context().Err() != nil || x.out.body.failure() != nil {
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
	case x.out.body.failure() != nil:
		x.refuse(http.StatusBadRequest, "bad_request", "The request body broke off.")
	case x.r.Context().Err() != nil:
		x.refuse(http.StatusServiceUnavailable, "unavailable", "The request was ended before it was answered.")
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

// hints passes early hints (103) on while the answer is awaited.
type hints struct {
	w     http.ResponseWriter
	mu    sync.Mutex
	ended bool
}

func (h *hints) got(code int, header textproto.MIMEHeader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended || code != http.StatusEarlyHints {
		return nil
	}
	links := h.w.Header()
	before := links["Link"]
	links["Link"] = header["Link"]
	h.w.WriteHeader(code)
	if links["Link"] = before; before == nil {
		delete(links, "Link")
	}
	return nil
}

func (h *hints) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
}
