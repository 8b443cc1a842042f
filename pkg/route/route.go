// Package route decides which service of a listener gets a connection or a
// request. A Table is built whole for one generation of the config, never
// changed, and swapped whole; what the decision leads to is the caller's.
package route

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/guard"
	"github.com/porticod/portico/pkg/mux"
)

// A Target is where a rule leads.
type Target struct {
	Label   string // of the rule in logs and metrics: "default", "route1"
	Service string // kind.name
	// HTTP serves a request. It returns false, with nothing written, when the
	// service was retired meanwhile: the caller looks again. nil: not HTTP.
	HTTP func(w http.ResponseWriter, r *http.Request) bool
	// Raw owns the connection from then on. nil: not raw.
	Raw func(ctx context.Context, c net.Conn)
	// Guard is asked before HTTP; nil lets everybody pass.
	Guard *guard.Guard
	// Extra is the caller's own, such as resolved metrics.
	Extra any
}

// A Rule leads to its target what matches all of its conditions; within one
// condition, one of the values must match. Names are lower case.
type Rule struct {
	Protocols []string // as in the config: http covers http1 and http2
	Hosts     []string
	Paths     []string
	SNI       []string
	ALPN      []string
	From      []netip.Prefix
	Target    Target
}

// A Table holds a listener's rules in order, and the default.
type Table struct {
	Rules   []Rule
	Default *Target // nil: what no rule takes is refused
	TLS     bool    // the listener terminates TLS
	ACME    bool    // inside TLS, a CA may look for a challenge (RFC 8737)
}

// Look says whether the listener's port has to look at the first bytes: not
// where every target has the same, single ability.
func (t *Table) Look() mux.Look {
	if t.TLS {
		return mux.LookSplit
	}
	http, raw, split := false, false, false
	note := func(g *Target) {
		http = http || g.HTTP != nil
		raw = raw || g.Raw != nil
	}
	for i := range t.Rules {
		r := &t.Rules[i]
		note(&r.Target)
		if r.Target.Raw != nil && (len(r.Protocols) > 0 || len(r.SNI) > 0 || len(r.ALPN) > 0) {
			split = true
		}
	}
	if t.Default != nil {
		note(t.Default)
	}
	switch {
	case split || http == raw:
		return mux.LookSplit
	case http:
		return mux.LookHTTP
	}
	return mux.LookRaw
}

// Conn decides about a connection from peer that was classified as v. On a
// port that does not look, v is zero.
func (t *Table) Conn(peer netip.Addr, v mux.Verdict) mux.Choice {
	switch {
	case v.Protocol == mux.TLS:
		return t.chooseTLS(peer, v)
	case v.Protocol == mux.Silent:
		return choose(t.Default, false, t.TLS)
	case t.TLS && isHTTP(v.Protocol):
		return t.choosePlainOnTLS(peer, v)
	}
	for i := range t.Rules {
		r := &t.Rules[i]
		if len(r.SNI) > 0 || len(r.ALPN) > 0 || !from(r.From, peer) || !r.speaks(v.Protocol) {
			continue
		}
		if isHTTP(v.Protocol) && r.Target.HTTP != nil {
			return mux.Choice{HTTP: true, Label: r.Target.Label}
		}
		if r.Target.Raw != nil && !r.needsRequest() {
			return mux.Choice{Raw: r.Target.Raw, Label: r.Target.Label}
		}
	}
	if t.Default != nil {
		return choose(t.Default, isHTTP(v.Protocol), t.TLS)
	}
	// The HTTP server says what is wrong better than a closed connection does.
	return mux.Choice{HTTP: t.anyHTTP() && !t.TLS}
}

// alpnChallenge is what a CA offers that looks for a challenge, and nothing else.
var alpnChallenge = []string{"acme-tls/1"}

// hangUp is for those who have learned all they want from the handshake.
func hangUp(_ context.Context, c net.Conn) { _ = c.Close() }

// choose hands a connection to g: as HTTP where it can and the bytes are HTTP
// or there is no other way.
func choose(g *Target, http, tls bool) mux.Choice {
	switch {
	case g == nil:
		return mux.Choice{}
	case g.Raw != nil && (!http || g.HTTP == nil):
		return mux.Choice{Raw: g.Raw, Label: g.Label}
	case g.HTTP != nil:
		return mux.Choice{HTTP: !tls || http, Label: g.Label}
	}
	return mux.Choice{}
}

// chooseTLS decides about a connection that began with a ClientHello: protocol
// "tls" is passed through, everything else is inside.
func (t *Table) chooseTLS(peer netip.Addr, v mux.Verdict) mux.Choice {
	if t.ACME && slices.Equal(v.ALPN, alpnChallenge) {
		return mux.Choice{Raw: hangUp, Terminate: true, ALPN: alpnChallenge, Label: "acme"}
	}
	hello := func(r *Rule) bool {
		return from(r.From, peer) && (len(r.SNI) == 0 || matchName(r.SNI, v.SNI)) && (len(r.ALPN) == 0 || overlap(r.ALPN, v.ALPN))
	}
	for i := range t.Rules {
		r := &t.Rules[i]
		// On a plain listener TLS can only be passed through.
		passes := slices.Contains(r.Protocols, "tls") || !t.TLS && (len(r.Protocols) == 0 || slices.Contains(r.Protocols, "any"))
		if passes && r.Target.Raw != nil && !r.needsRequest() && hello(r) {
			return mux.Choice{Raw: r.Target.Raw, Label: r.Target.Label}
		}
	}
	if !t.TLS {
		if t.Default != nil && t.Default.Raw != nil {
			return mux.Choice{Raw: t.Default.Raw, Label: t.Default.Label}
		}
		return mux.Choice{HTTP: t.anyHTTP()} // net/http answers 400: HTTPS to an HTTP port
	}
	http := len(v.ALPN) == 0 || overlap([]string{"h2", "http/1.1", "http/1.0"}, v.ALPN)
	for i := range t.Rules {
		r := &t.Rules[i]
		if !hello(r) || len(r.Protocols) > 0 && !overlap([]string{"http", "http1", "http2", "any"}, r.Protocols) {
			continue
		}
		if c, ok := inside(&r.Target, http, r.needsRequest()); ok {
			return c
		}
	}
	if t.Default != nil {
		if c, ok := inside(t.Default, http, false); ok {
			return c
		}
	}
	return mux.Choice{HTTP: t.anyHTTP(), Terminate: true}
}

// inside chooses g for what TLS carries. The bytes are not seen before the
// handshake, so HTTP goes first where the target has both abilities.
func inside(g *Target, http, needsRequest bool) (mux.Choice, bool) {
	if http && g.HTTP != nil {
		return mux.Choice{HTTP: true, Terminate: true, Label: g.Label}, true
	}
	if g.Raw != nil && !needsRequest {
		return mux.Choice{Raw: g.Raw, Terminate: true, Label: g.Label}, true
	}
	return mux.Choice{}, false
}

// choosePlainOnTLS: HTTP routes match only inside TLS; a raw rule that asks for
// the protocol by name may still take it. HTTP without Terminate makes the port
// answer 400 or the redirect.
func (t *Table) choosePlainOnTLS(peer netip.Addr, v mux.Verdict) mux.Choice {
	for i := range t.Rules {
		r := &t.Rules[i]
		if r.Target.Raw != nil && len(r.Protocols) > 0 && !r.needsRequest() && len(r.SNI) == 0 && len(r.ALPN) == 0 &&
			from(r.From, peer) && r.speaks(v.Protocol) && r.Target.HTTP == nil {
			return mux.Choice{Raw: r.Target.Raw, Label: r.Target.Label}
		}
	}
	return mux.Choice{HTTP: true}
}

// Request decides about a request on a connection from peer that was
// classified as v; nil means that no service is there for it.
func (t *Table) Request(peer netip.Addr, v mux.Verdict, r *http.Request) *Target {
	if len(t.Rules) > 0 {
		host, p := hostname(r.Host), cleanPath(r.URL.Path)
		for i := range t.Rules {
			if u := &t.Rules[i]; u.Target.HTTP != nil && u.matches(peer, v, r, host, p) {
				return &u.Target
			}
		}
	}
	if t.Default != nil && t.Default.HTTP != nil {
		return t.Default
	}
	return nil
}

func (r *Rule) matches(peer netip.Addr, v mux.Verdict, req *http.Request, host, p string) bool {
	proto := mux.HTTP1
	switch req.ProtoMajor {
	case 2:
		proto = mux.HTTP2
	case 3:
		proto = mux.HTTP3
	}
	return (len(r.Hosts) == 0 || matchName(r.Hosts, host)) &&
		(len(r.Paths) == 0 || matchPath(r.Paths, p)) &&
		(len(r.SNI) == 0 || matchName(r.SNI, v.SNI)) &&
		(len(r.ALPN) == 0 || overlap(r.ALPN, v.ALPN)) &&
		from(r.From, peer) && r.speaks(proto)
}

// speaks reports whether the rule takes protocol p.
func (r *Rule) speaks(p mux.Protocol) bool {
	if len(r.Protocols) == 0 {
		return true
	}
	for _, want := range r.Protocols {
		if want == "any" || want == string(p) && p != mux.Unknown || want == "http" && isHTTP(p) {
			return true
		}
	}
	return false
}

// needsRequest reports whether the rule can only be decided with a request.
func (r *Rule) needsRequest() bool { return len(r.Hosts) > 0 || len(r.Paths) > 0 }

func (t *Table) anyHTTP() bool {
	if t.Default != nil && t.Default.HTTP != nil {
		return true
	}
	return slices.ContainsFunc(t.Rules, func(r Rule) bool { return r.Target.HTTP != nil })
}

func isHTTP(p mux.Protocol) bool { return p == mux.HTTP1 || p == mux.HTTP2 || p == mux.HTTP3 }

func from(allowed []netip.Prefix, peer netip.Addr) bool {
	if len(allowed) == 0 {
		return true
	}
	peer = peer.Unmap()
	return slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// matchName matches name against patterns; "*.example.org" stands for exactly
// one more label, as in certificates (RFC 6125 section 6.4.3).
func matchName(patterns []string, name string) bool {
	for _, p := range patterns {
		if p == name || p == "*" {
			return true
		}
		if suffix, ok := strings.CutPrefix(p, "*"); ok {
			label, found := strings.CutSuffix(name, suffix)
			if found && label != "" && !strings.Contains(label, ".") {
				return true
			}
		}
	}
	return false
}

// matchPath matches p: "/api/*" is /api and everything below it, anything else
// only itself.
func matchPath(patterns []string, p string) bool {
	for _, pat := range patterns {
		if prefix, ok := strings.CutSuffix(pat, "/*"); ok {
			if p == prefix || strings.HasPrefix(p, prefix) && len(p) > len(prefix) && p[len(prefix)] == '/' {
				return true
			}
		} else if pat == p || pat == "*" {
			return true
		}
	}
	return false
}

// cleanPath keeps dot segments and doubled slashes from going around a rule.
func cleanPath(p string) string {
	if !strings.Contains(p, "//") && !strings.Contains(p, "/.") {
		return p
	}
	c := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && c != "/" {
		c += "/"
	}
	return c
}

// hostname is the host of a Host header: lower case, without port, brackets
// and the dot of a fully qualified name.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
