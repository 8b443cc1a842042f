package proxy

import (
	"net/url"
	"strings"
)

// A pathRule is strip_prefix and rewrite.
type pathRule struct{ strip, rewrite string }

// apply returns the path for the upstream as it is sent, escaped. false: what
// the path means after the change cannot be told, because it climbs.
func (p pathRule) apply(escaped string) (string, bool) {
	if p.strip == "" && p.rewrite == "" {
		return escaped, true
	}
	if climbs(escaped) {
		return "", false
	}
	if rest, ok := cutPrefix(escaped, p.strip); ok {
		escaped = rest
	}
	if !strings.HasPrefix(escaped, "/") {
		escaped = "/" + escaped
	}
	if p.rewrite != "" {
		escaped = strings.ReplaceAll(p.rewrite, "{path}", escaped)
	}
	return escaped, true
}

// cutPrefix takes prefix, which ends within a segment, off an escaped path. The
// bytes of the path may be escaped, slashes not: %2F is no border of segments.
func cutPrefix(escaped, prefix string) (rest string, ok bool) {
	i := 0
	for j := range len(prefix) {
		b, n := unescapeByte(escaped[i:])
		if n == 0 || b != prefix[j] || b == '/' && n > 1 {
			return escaped, false
		}
		i += n
	}
	rest = escaped[i:]
	return rest, rest == "" || rest[0] == '/'
}

// unescapeByte is the first byte that s stands for and how long it is in s; 0 at
// the end of s.
func unescapeByte(s string) (b byte, n int) {
	if s == "" {
		return 0, 0
	}
	if s[0] == '%' && len(s) >= 3 {
		if u, err := url.PathUnescape(s[:3]); err == nil && len(u) == 1 {
			return u[0], 3
		}
	}
	return s[0], 1
}

// climbs reports whether a segment is . or .., however it is written.
func climbs(escaped string) bool {
	for seg := range strings.SplitSeq(escaped, "/") {
		if len(seg) > len("%2e%2e") {
			continue
		}
		if u, err := url.PathUnescape(seg); err == nil && (u == "." || u == "..") {
			return true
		}
	}
	return false
}
