package config

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/service"
)

// unreachable reports routes that never match, because an earlier one takes all
// they would.
func (l *loader) unreachable(ln *Listener) {
	for j := range ln.Routes {
		for i := range j {
			if l.covers(&ln.Routes[i], &ln.Routes[j], ln.TLS != nil) {
				l.errorf(ln.Routes[j].Range, "Unreachable route",
					"The route at line %d takes everything that this one would. Put this one before it, or remove it.",
					ln.Routes[i].Range.Start.Line)
				break
			}
		}
	}
}

// covers reports whether everything that b matches, a matches too.
func (l *loader) covers(a, b *Route, tls bool) bool {
	return l.coversProtocol(a, b, tls) &&
		coversList(a.Hosts, b.Hosts, coversHost) &&
		(slices.Contains(a.Paths, "/*") || coversList(a.Paths, b.Paths, coversPath)) &&
		coversList(a.SNI, b.SNI, coversHost) &&
		coversList(a.ALPN, b.ALPN, func(x, y string) bool { return x == y }) &&
		coversList(a.From, b.From, coversPrefix)
}

// coversList reports whether each of b is covered by one of a; no condition
// covers every condition.
func coversList[T any](a, b []T, covers func(a, b T) bool) bool {
	if len(a) == 0 {
		return true
	}
	if len(b) == 0 {
		return false
	}
	for _, y := range b {
		if !slices.ContainsFunc(a, func(x T) bool { return covers(x, y) }) {
			return false
		}
	}
	return true
}

func (l *loader) coversProtocol(a, b *Route, tls bool) bool {
	have, want := l.wire(a), l.wire(b)
	if have == nil {
		return true
	}
	if slices.Contains(have, "tls") && insideTLS(b, want, tls) {
		return true
	}
	return want != nil && !slices.ContainsFunc(want, func(p string) bool { return !slices.Contains(have, p) })
}

// insideTLS reports whether b, which matches the protocols want, only matches
// connections that begin with TLS.
func insideTLS(b *Route, want []string, tls bool) bool {
	http := want != nil && !slices.ContainsFunc(want, func(p string) bool { return !isHTTP(p) })
	return len(b.SNI)+len(b.ALPN) > 0 || tls && http
}

// wire are the protocols that a route matches, http as its two versions; nil
// for all. A service that only speaks HTTP is handed nothing else.
func (l *loader) wire(r *Route) (list []string) {
	protocols := r.Protocols
	if len(protocols) == 0 || slices.Contains(protocols, "any") {
		d := l.declared[r.Service]
		raw := d != nil && d.known && d.spec.Kind.Ability().Has(service.Raw)
		if raw && len(r.Hosts)+len(r.Paths) == 0 {
			return nil
		}
		protocols = []string{"http"}
	}
	for _, p := range protocols {
		if p == "http" {
			list = append(list, "http1", "http2")
			continue
		}
		list = append(list, p)
	}
	return list
}

// coversHost reports whether the host or wildcard a matches all that b does.
func coversHost(a, b string) bool {
	suffix, wild := strings.CutPrefix(a, "*")
	if !wild || a == b {
		return a == b
	}
	label, ok := strings.CutSuffix(b, suffix)
	return ok && label != "" && label != "*" && !strings.Contains(label, ".")
}

// coversPath reports whether the path or prefix a matches all that b does.
func coversPath(a, b string) bool {
	prefix, wild := strings.CutSuffix(a, "/*")
	if !wild {
		return a == b
	}
	b = strings.TrimSuffix(b, "/*")
	return b == prefix || strings.HasPrefix(b, prefix+"/")
}

func coversPrefix(a, b netip.Prefix) bool {
	return a.Bits() <= b.Bits() && a.Contains(b.Addr())
}
