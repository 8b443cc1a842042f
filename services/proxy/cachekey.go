package proxy

import (
	"net/http"
	"strings"
)

// cacheKey is what an answer is kept by: all of the request that names the resource
// for the upstream, as it is sent, and nothing that it does not see.
func cacheKey(o *outgoing) string {
	var b strings.Builder
	for _, s := range []string{
		o.fields.list("X-Forwarded-Proto"), o.fields.list("X-Forwarded-Host"), o.fields.list("X-Forwarded-Port"),
		forwardedHosts(o.fields.list("Forwarded")), o.in.Host, o.path,
	} {
		b.WriteString(s)
		b.WriteByte(0) // which none of them has
	}
	if o.in.URL.ForceQuery || o.in.URL.RawQuery != "" {
		b.WriteByte('?')
		b.WriteString(o.in.URL.RawQuery)
	}
	return b.String()
}

// forwardedHosts is a Forwarded header without who asked: RFC 7239. What it keeps
// by mistake only makes a key of its own.
func forwardedHosts(s string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ';' }) {
		part = strings.ToLower(strings.Trim(part, " \t"))
		if !strings.HasPrefix(part, "for=") && !strings.HasPrefix(part, "by=") {
			b.WriteString(part)
			b.WriteByte(';')
		}
	}
	return b.String()
}

// steered reports whether a request has a header by which upstreams let themselves
// be led to another resource than the one in the request line, and which is no part
// of the key: what came back would be everybody's. Servers that put headers into
// variables take an underscore for a hyphen.
func steered(h http.Header) bool {
	for name := range h {
		switch name {
		case "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto":
			continue
		case "X-Host", "X-Method-Override", "X-Url-Scheme", "Front-End-Https":
			return true
		}
		if strings.Contains(name, "_") {
			return true
		}
		for _, p := range []string{"X-Forwarded-", "X-Original-", "X-Rewrite-", "X-Http-", "X-Proxy-", "X-Envoy-"} {
			if strings.HasPrefix(name, p) {
				return true
			}
		}
	}
	return false
}
