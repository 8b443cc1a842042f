package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/httperr"
	"github.com/porticod/portico/pkg/service"
)

// The WebSocket close codes (RFC 6455 section 7.4.1 and IANA's registry) that
// what is tracked is asked to end with.
const (
	closeGoingAway      = 1001 // the service was removed
	closeServiceRestart = 1012 // the daemon stops
)

// cutTime is how long calls that were cut may take to return before the
// service is closed all the same.
const cutTime = 5 * time.Second

// An instance is a running service with everything that is going on in it.
type instance struct {
	ref     service.Ref
	ability service.Ability // what it can be handed
	log     zerolog.Logger
	cancel  context.CancelFunc     // ends the context that Open was given
	opener  sync.WaitGroup         // who opens it later
	now     atomic.Pointer[opened] // nil: it is not open yet
	why     atomic.Pointer[error]  // it is not
	calls   atomic.Int64           // since it was opened, for status

	mu      sync.Mutex // guards what follows
	spec    service.Spec
	retired bool  // takes no new calls
	active  calls // requests and raw connections
	tracked map[*tracked]struct{}
	hurried func(net.Conn) bool // not nil: what registers is asked to end at once, but for whom this spares
	empty   chan struct{}       // closed when retired and nothing is active or tracked
	revived chan struct{}       // closed when a retired instance is taken back
	unmeter func()              // of who opened it, then of close
	gone    chan struct{}       // closed after Close returned
}

// An opened service is what it can be handed to.
type opened struct {
	svc  service.Service
	http http.Handler          // nil: not HTTP
	raw  service.ConnHandler   // nil: not raw
	udp  service.PacketHandler // nil: takes no packets
}

// open starts the service of spec. With later, one that needs something that is
// away is opened when that is back.
func open(ctx context.Context, spec service.Spec, dir string, log zerolog.Logger, reg prometheus.Registerer, later bool) (*instance, error) {
	in := &instance{
		ref: spec.Ref(), ability: spec.Kind.Ability(), spec: spec, tracked: map[*tracked]struct{}{}, gone: make(chan struct{}),
		log: log.With().Str("service", spec.Ref().String()).Logger(), unmeter: func() {},
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	in.cancel = cancel
	env := service.Env{Kind: spec.Kind.Name(), Name: spec.Name, Log: in.log, Dir: dir, Track: in.track}
	// Until it is open, the service's life ends with the preparation's.
	hold := context.AfterFunc(ctx, cancel)
	svc, err := spec.Open(life, env)
	later = later && service.IsAway(err)
	if (err == nil || later) && !hold() {
		err, later = fmt.Errorf("opening took too long: %w", context.Cause(ctx)), false
		if svc != nil {
			err = errors.Join(err, svc.Close())
		}
	}
	switch {
	case later:
		in.openLater(life, env, reg, err)
	case err != nil:
		cancel()
		return nil, err
	default:
		in.put(svc, reg)
	}
	return in, nil
}

// put takes the service that was opened.
func (in *instance) put(svc service.Service, reg prometheus.Registerer) {
	o := &opened{svc: svc}
	o.http, _ = svc.(http.Handler)
	o.raw, _ = svc.(service.ConnHandler)
	o.udp, _ = svc.(service.PacketHandler)
	in.meter(svc, reg)
	in.now.Store(o)
}

// service is what was opened; nil: it is not open yet.
func (in *instance) service() service.Service {
	if o := in.now.Load(); o != nil {
		return o.svc
	}
	return nil
}

// meter registers the service's own metrics for as long as it lives. The new
// instance of a replaced service has the same metrics, so the old one's go
// first; see retire.
func (in *instance) meter(svc service.Service, reg prometheus.Registerer) {
	m, ok := svc.(service.Metered)
	if !ok || reg == nil {
		return
	}
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"service": in.ref.String()}, reg)
	collectors := m.Collectors()
	for _, c := range collectors {
		if err := labelled.Register(c); err != nil {
			in.log.Error().Err(err).Msg("a metric of the service was not registered")
		}
	}
	in.unmeter = func() {
		for _, c := range collectors {
			labelled.Unregister(c)
		}
	}
}

// begin counts a call in; nil: the instance is retired.
func (in *instance) begin(ctx context.Context, cut func()) *call {
	c := &call{Context: ctx, cut: cut, start: time.Now()}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.retired {
		return nil
	}
	in.active.add(c)
	in.calls.Add(1)
	return c
}

func (in *instance) finish(c *call) {
	c.end(false)
	in.mu.Lock()
	in.active.remove(c)
	in.checkEmpty()
	in.mu.Unlock()
}

// checkEmpty must be called with mu held.
func (in *instance) checkEmpty() {
	if in.empty != nil && in.active.n == 0 && len(in.tracked) == 0 {
		close(in.empty)
		in.empty = nil
	}
}

// serveHTTP serves a request; false: the instance is retired.
func (in *instance) serveHTTP(w http.ResponseWriter, r *http.Request) bool {
	c := in.begin(r.Context(), func() {
		past := time.Unix(1, 0)
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(past)
		_ = rc.SetWriteDeadline(past)
	})
	if c == nil {
		return false
	}
	defer in.finish(c)
	if o := in.now.Load(); o != nil {
		o.http.ServeHTTP(w, r.WithContext(c))
	} else {
		httperr.Write(w, r, http.StatusServiceUnavailable, "unavailable", "what this service needs is away; try again in a moment")
	}
	return true
}

// serveConn serves a raw connection, which the service then owns; false: the
// instance is retired.
func (in *instance) serveConn(ctx context.Context, conn net.Conn) bool {
	return in.handOver(ctx, conn, false, func(o *opened) handler { return o.raw.ServeConn })
}

// servePackets is serveConn for the packets of one peer.
func (in *instance) servePackets(ctx context.Context, conn net.Conn) bool {
	return in.handOver(ctx, conn, true, func(o *opened) handler { return o.udp.ServePackets })
}

// A handler owns the connection that it is called with.
type handler func(context.Context, net.Conn)

func (in *instance) handOver(ctx context.Context, conn net.Conn, packets bool, of func(*opened) handler) bool {
	c := in.begin(ctx, func() { _ = conn.Close() })
	if c == nil {
		return false
	}
	in.mu.Lock()
	c.packets = packets
	in.mu.Unlock()
	defer in.finish(c)
	defer func() {
		if p := recover(); p != nil {
			in.log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("a connection handler panicked")
			_ = conn.Close()
		}
	}()
	if o := in.now.Load(); o != nil {
		of(o)(c, conn)
	} else {
		_ = conn.Close()
	}
	return true
}

// tracked is something long-lived that the service registered.
type tracked struct {
	in       *instance
	conn     net.Conn // may be nil
	drain    func(code int)
	wasAsked atomic.Bool
}

// end says that it came to its end; more than once does no harm.
func (t *tracked) end() {
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	if _, ok := t.in.tracked[t]; ok {
		delete(t.in.tracked, t)
		t.in.checkEmpty()
	}
}

// ask asks it to come to an end, at most once.
func (t *tracked) ask(code int) {
	if t.wasAsked.CompareAndSwap(false, true) {
		go t.drain(code)
	}
}

// track is service.Env's Track.
func (in *instance) track(conn net.Conn, drain func(code int)) (done func()) {
	t := &tracked{in: in, conn: conn, drain: drain}
	in.mu.Lock()
	in.tracked[t] = struct{}{}
	retired, spared := in.retired, in.hurried
	in.mu.Unlock()
	switch { // it came in with a call from before; what came before it was asked already
	case spared != nil && !spared(conn):
		t.ask(closeServiceRestart)
	case retired:
		t.ask(closeGoingAway)
	}
	return t.end
}

// askTracked asks everything that is tracked to come to an end, but for the
// connections that are spared.
func (in *instance) askTracked(code int, spared func(net.Conn) bool) {
	in.mu.Lock()
	all := slices.Collect(maps.Keys(in.tracked))
	in.mu.Unlock()
	for _, t := range all {
		if !spared(t.conn) {
			t.ask(code)
		}
	}
}

func nobody(net.Conn) bool { return false }

// hurry is askTracked also for what is tracked from now on. It is for the end of
// the process.
func (in *instance) hurry(spared func(net.Conn) bool) {
	in.mu.Lock()
	in.hurried = spared
	in.mu.Unlock()
	in.askTracked(closeServiceRestart, spared)
}

// load is the number of calls in progress and of tracked connections.
func (in *instance) load() (calls, tracked int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.active.n, len(in.tracked)
}

// retirement is one attempt to come to an end.
type retirement struct{ empty, revived chan struct{} }

// beginRetire makes the instance take no new calls. It must be followed by retire.
func (in *instance) beginRetire() retirement {
	in.mu.Lock()
	defer in.mu.Unlock()
	r := retirement{empty: make(chan struct{}), revived: make(chan struct{})}
	in.retired, in.empty, in.revived = true, r.empty, r.revived
	in.checkEmpty()
	return r
}

// retire brings the instance to its end: what is tracked is asked to end with
// code, what is left after grace is cut, the service is closed. It returns
// early if the instance was revived.
func (in *instance) retire(r retirement, code int, grace time.Duration) {
	in.askTracked(code, nobody)
	in.endPackets()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-r.revived:
		return
	case <-r.empty:
	case <-timer.C:
		in.cutAll()
		timer.Reset(cutTime)
		select {
		case <-r.revived:
			return
		case <-r.empty:
		case <-timer.C:
			calls, tracked := in.load()
			in.log.Error().Int("calls", calls).Int("connections", tracked).Msg("the service did not end in time; it is closed all the same")
		}
	}
	in.close()
}

// endPackets ends the peers of UDP.
func (in *instance) endPackets() {
	in.mu.Lock()
	var calls []*call
	for c := range in.active.all() {
		if c.packets {
			calls = append(calls, c)
		}
	}
	in.mu.Unlock()
	for _, c := range calls {
		c.end(true)
	}
}

// cutAll ends the calls and closes the connections that are left.
func (in *instance) cutAll() {
	in.cut(time.Now().Add(time.Hour)) // nothing is younger
}

// cut ends the calls from before t, and closes the connections that were asked to
// end.
func (in *instance) cut(t time.Time) {
	in.mu.Lock()
	calls := make([]*call, 0, in.active.n)
	for c := range in.active.all() {
		if c.start.Before(t) && !c.packets { // see endPackets
			calls = append(calls, c)
		}
	}
	conns := make([]net.Conn, 0, len(in.tracked))
	for t := range in.tracked {
		if t.conn != nil && t.wasAsked.Load() {
			conns = append(conns, t.conn)
		}
	}
	in.mu.Unlock()
	if len(calls)+len(conns) > 0 {
		in.log.Warn().Int("calls", len(calls)).Int("connections", len(conns)).Msg("the drain time is over; what is left is cut")
	}
	for _, c := range calls {
		c.end(true)
	}
	for _, c := range conns {
		_ = c.Close()
	}
}

// close closes the service, unless it was revived in the last moment.
func (in *instance) close() {
	in.mu.Lock()
	if !in.retired {
		in.mu.Unlock()
		return
	}
	in.revived = nil // too late from here on
	in.mu.Unlock()
	in.cancel()
	in.opener.Wait()
	in.unmeter()
	if svc := in.service(); svc != nil {
		if err := svc.Close(); err != nil {
			in.log.Error().Err(err).Msg("closing the service failed")
		}
	}
	close(in.gone)
}

// revive takes a retired instance back, with its state; false: it is closing
// already, and gone will be closed soon.
func (in *instance) revive() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.revived == nil {
		return false
	}
	close(in.revived)
	in.retired, in.empty, in.revived = false, nil, nil
	return true
}

func (in *instance) setSpec(spec service.Spec) {
	in.mu.Lock()
	in.spec = spec
	in.mu.Unlock()
}

// since counts what Stop waits for: calls from before t, and tracked connections
// that were asked to end and did not yet.
func (in *instance) since(t time.Time) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := 0
	for c := range in.active.all() {
		if c.start.Before(t) && !c.packets {
			n++
		}
	}
	return n + in.askedLocked()
}

// asked counts the tracked that were asked to end and did not yet.
func (in *instance) asked() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.askedLocked()
}

// askedLocked needs mu.
func (in *instance) askedLocked() (n int) {
	for t := range in.tracked {
		if t.wasAsked.Load() {
			n++
		}
	}
	return n
}
