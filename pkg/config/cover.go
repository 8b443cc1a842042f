package config

import (
	"net/netip"
	"slices"
	"strings"
)

// unreachable reports routes that never match, because an earlier one takes all
// they would.
func (l *loader) unreachable(ln *Listener) {
	for j := range ln.Routes {
		for i := range j {
			if covers(&ln.Routes[i], &ln.Routes[j], ln.TLS != nil) {
				l.errorf(ln.Routes[j].Range, "Unreachable route",
					"The route at line %d takes everything that this one would. Put this one before it, or remove it.",
					ln.Routes[i].Range.Start.Line)
				break
			}
		}
	}
}

// covers reports whether everything that b matches, a matches too.
func covers(a, b *Route, tls bool) bool {
	return coversProtocol(a, b, tls) &&
		coversList(a.Hosts, b.Hosts, coversHost) &&
		coversList(a.Paths, b.Paths, coversPath) &&
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

func coversProtocol(a, b *Route, tls bool) bool {
	if len(a.Protocols) == 0 || slices.Contains(a.Protocols, "any") {
		// Without a protocol a route with host or path matches HTTP only, but
		// then its hosts and paths decide.
		return true
	}
	if slices.Contains(a.Protocols, "tls") && insideTLS(b, tls) {
		return true
	}
	want := wire(b)
	have := wire(a)
	return len(want) > 0 && !slices.ContainsFunc(want, func(p string) bool { return !slices.Contains(have, p) })
}

// insideTLS reports whether b only matches connections that begin with TLS.
func insideTLS(b *Route, tls bool) bool {
	w := wire(b)
	http := len(w) > 0 && !slices.ContainsFunc(w, func(p string) bool { return !isHTTP(p) })
	return len(b.SNI)+len(b.ALPN) > 0 || tls && http
}

// wire are the protocols that a route matches, http as its two versions; empty
// for all.
func wire(r *Route) (list []string) {
	if slices.Contains(r.Protocols, "any") {
		return nil
	}
	protocols := r.Protocols
	if len(protocols) == 0 && len(r.Hosts)+len(r.Paths) > 0 {
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
