package proxy

import "net/http"

// RewritePath is strip_prefix and rewrite for the fuzzer.
func RewritePath(strip, rewrite, escaped string) (string, bool) {
	return pathRule{strip: strip, rewrite: rewrite}.apply(escaped)
}

// FrameEnds are the places in parts, taken together, where a WebSocket frame
// ends.
func FrameEnds(parts ...[]byte) (ends []int) {
	var f frames
	at := 0
	for _, p := range parts {
		for len(p) > 0 {
			n, whole := f.next(p)
			p = p[n:]
			at += n
			if whole {
				ends = append(ends, at)
			}
		}
	}
	return ends
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
