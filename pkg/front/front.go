// Package front is what stands between a listener's HTTP server and the
// services: it names every request, finds its service, bounds its body, and
// accounts for it in the log and the metrics. It has no sockets and no services
// of its own.
package front

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/http/httpguts"

	"github.com/porticod/portico/pkg/accesslog"
	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/route"
)

// Settings are what one generation of the config says about a listener's
// requests. They are never changed, only swapped whole.
type Settings struct {
	Listener       string
	Table          *route.Table // Extra of its targets is a *Counters
	TrustedProxies []netip.Prefix
	MaxBody        int64         // bytes; 0: no limit
	WriteTimeout   time.Duration // for an answer over HTTP/2 or 3, without progress; 0: none
	MinRate        int64         // bytes a second that clients must take of it, over WriteTimeout; 0: any
	// Requests a second from one address, and at once (0: as many as a second);
	// 0: no limit.
	Requests float64
	Burst    int
	Bytes    int64    // of answers, a second to one address; 0: no limit
	Limited  *Limited // what limits did; may be nil
	// Full reports that nothing new should be begun; nil: never.
	Full func() bool
	// Challenge answers requests of certificate authorities; it reports false,
	// with nothing written, for all others. nil: there are none.
	Challenge func(w http.ResponseWriter, r *http.Request) bool
}

// A Front is the http.Handler of one listener. Its methods are safe for
// concurrent use.
type Front struct {
	log      zerolog.Logger
	stopping func() bool
	access   func() *accesslog.Log
	settings atomic.Pointer[Settings]
	active   atomic.Int64
	requests limit
	bytes    limit
}

// New returns a Front without settings; it answers 503 until it has some.
// stopping tells whether connections should end with their next answer; access
// returns the access log in force.
func New(log zerolog.Logger, stopping func() bool, access func() *accesslog.Log) *Front {
	return &Front{log: log, stopping: stopping, access: access}
}

// Apply makes s the settings of requests that begin from now on. It is called by
// one goroutine at a time.
func (f *Front) Apply(s *Settings) {
	f.requests.set(s.Requests, s.Burst)
	f.bytes.set(float64(s.Bytes), 0)
	f.settings.Store(s)
}

// Active is the number of requests in progress.
func (f *Front) Active() int { return int(f.active.Load()) }

// challengeRoot is where a CA looks for answers (RFC 8555 section 8.3).
const challengeRoot = "/.well-known/acme-challenge/"

// maxReroutes bounds how often a request looks for its service again when the
// service is retired between the look-up and the call. Each time means a whole
// reload in between.
const maxReroutes = 5

// ServeHTTP serves one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(w, r)
	f.active.Add(1)
	defer f.finish(x)

	s := f.settings.Load()
	if s == nil {
		x.fail(http.StatusServiceUnavailable, "starting", "This port is not ready yet; try again in a moment.")
		return
	}
	x.admit(s)
	if s.Full != nil && s.Full() {
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", "1")
		x.fail(http.StatusServiceUnavailable, "overloaded", "There is too much to do just now; try again in a moment.")
		return
	}
	if f.stopping() {
		w.Header().Set("Connection", "close") // HTTP/2: net/http makes it GOAWAY
	}
	if strings.HasPrefix(r.URL.Path, challengeRoot) && s.Challenge != nil && s.Challenge(x, r) {
		return
	}
	if r.ProtoMajor >= 2 && malformed(r) {
		x.fail(http.StatusBadRequest, "bad_request", "The request is malformed.")
		return
	}
	if !x.limitRate(f) || !x.limitBody(s) {
		return
	}
	x.watch(f)
	for range maxReroutes {
		t := s.Table.Request(x.peer, x.verdict, r)
		if t == nil {
			x.target, x.counters = nil, nil
			x.fail(http.StatusNotFound, "no_service", "There is nothing at this address.")
			return
		}
		if x.serve(t) {
			return
		}
		s = f.settings.Load()
	}
	x.fail(http.StatusServiceUnavailable, "unavailable", "The service is being replaced; try again.")
}

// malformed finds what the servers of HTTP/2 and 3 let pass and HTTP/1 does not:
// methods that are no token, with a space say, and lengths that differ or are no
// numbers. Behind a service that writes HTTP/1 they would be another request.
func malformed(r *http.Request) bool {
	if !httpguts.ValidHeaderFieldName(r.Method) { // both are tokens
		return true
	}
	lengths := r.Header["Content-Length"]
	for _, n := range lengths {
		if n != lengths[0] || n == "" || strings.Trim(n, "0123456789") != "" {
			return true
		}
	}
	return false
}

// finish accounts for a request, also for one whose handler panicked.
func (f *Front) finish(x *exchange) {
	p := recover()
	if p != nil && p != http.ErrAbortHandler { //nolint:errorlint // panics are compared, not unwrapped
		f.log.Error().Str("request_id", x.id).Str("service", x.service()).Interface("panic", p).Stack().Bytes("stack", stack()).Msg("a handler panicked")
		if !x.wrote && !x.hijacked {
			x.fail(http.StatusInternalServerError, "internal", "Something went wrong here. The log names it by the request id.")
			p = nil
		}
	}
	f.active.Add(-1)
	x.account(f.access())
	if p != nil {
		panic(http.ErrAbortHandler)
	}
}

var errNoHijack = errors.New("front: this connection cannot be hijacked")

// A listener that is unknown to the mux (in tests) has a connection that was
// never classified.
func connOf(r *http.Request) *mux.Conn { return mux.FromContext(r.Context()) }
