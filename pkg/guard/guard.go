// Package guard is what a route asks of a request before its service sees it, and
// adds to the answer: a password, another server's word (forward auth), leave for
// pages of other origins (CORS), and headers. It knows no routes and no services.
package guard

import (
	"net/http"
	"net/netip"
	"time"
)

// Options are what a route asks. The zero Options ask nothing.
type Options struct {
	Basic   *Basic
	Forward *Forward
	CORS    *CORS
	// Headers of answers, unless the service sets them itself.
	Headers map[string]string
	// Security adds the headers that browsers need to be careful.
	Security bool
}

// A Guard works as its options say. It keeps what it learned of passwords for as
// long as it lives.
type Guard struct {
	opt     Options
	basic   *basicAuth
	forward *forwardAuth
}

// New returns a Guard; nil where the options ask nothing.
func New(o Options) *Guard {
	if o.Basic == nil && o.Forward == nil && o.CORS == nil && len(o.Headers) == 0 && !o.Security {
		return nil
	}
	g := &Guard{opt: o}
	if o.Basic != nil {
		g.basic = newBasicAuth(*o.Basic)
	}
	if o.Forward != nil {
		g.forward = newForwardAuth(*o.Forward)
	}
	return g
}

// A Visit is a request at the door.
type Visit struct {
	Request *http.Request
	Client  netip.Addr // whose request it is, after trusted proxies; may be invalid
	// Fail answers with an error of the front door.
	Fail func(status int, code, message string)
}

// hsts is how long browsers remember to come by https only.
const hsts = "max-age=31536000"

// Admit reports whether the service may see the request; otherwise it was
// answered. Headers of the answer are set on w in any case, for the service to
// change.
func (g *Guard) Admit(w http.ResponseWriter, v Visit) bool {
	if g == nil {
		return true
	}
	h, r := w.Header(), v.Request
	if g.opt.Security {
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "SAMEORIGIN")
		h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", hsts)
		}
	}
	for name, value := range g.opt.Headers {
		h.Set(name, value)
	}
	// A preflight carries no password (Fetch standard, CORS-preflight).
	if g.opt.CORS != nil && g.opt.CORS.answer(w, r) {
		return false
	}
	if g.basic != nil && !g.basic.admit(w, v, time.Now()) {
		return false
	}
	return g.forward == nil || g.forward.admit(w, v)
}
