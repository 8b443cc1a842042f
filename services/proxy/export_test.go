package proxy

import (
	"net/http"
	"time"
)

// RewritePath is strip_prefix and rewrite for the fuzzer.
func RewritePath(strip, rewrite, escaped string) (string, bool) {
	return pathRule{strip: strip, rewrite: rewrite}.apply(escaped)
}

// Accepted is the encoding chosen for an Accept-Encoding header.
func Accepted(v ...string) string { return accepted(v) }

// ParseHead is what the fast way makes of the beginning of an answer: n bytes, and
// then length of the body.
func ParseHead(b []byte, method string) (status int, header http.Header, length int64, last bool, n int, ok bool) {
	h, n, ok := parseHead(b, method, nil)
	return h.status, h.fields.header(), h.length, h.last, n, ok
}

// AppendRequest writes the head of a request.
func AppendRequest(method, target, host string, h http.Header) ([]byte, error) {
	var f fields
	f.appendHeader(h)
	return appendRequest(nil, method, target, host, f, "")
}

// CacheSeconds are max-age, s-maxage, stale-while-revalidate and stale-if-error of
// a Cache-Control header; -1 for none.
func CacheSeconds(s string) (seconds [4]int, noStore, noCache, private bool) {
	d := parseDirectives(s)
	for i, t := range []time.Duration{d.maxAge, d.sMaxAge, d.whileRevalidate, d.ifError} {
		if seconds[i] = -1; t != never {
			seconds[i] = int(t / time.Second)
		}
	}
	return seconds, d.noStore, d.noCache, d.private
}
