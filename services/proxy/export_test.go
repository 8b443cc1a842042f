package proxy

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
