package proxy

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// A field is a line of a header. Its name is as http.CanonicalHeaderKey has it.
type field struct{ name, value string }

// fields are a header on its way through, in any order but for lines of the same
// name. Headers have a dozen lines, and a list of so many costs less than a map.
type fields []field

// appendHeader adds those of h.
func (f *fields) appendHeader(h http.Header) {
	for name, values := range h {
		for _, v := range values {
			*f = append(*f, field{name, v})
		}
	}
}

// get is the first value of a name, or "".
func (f fields) get(name string) string {
	for i := range f {
		if f[i].name == name {
			return f[i].value
		}
	}
	return ""
}

// has reports whether there is a line of that name.
func (f fields) has(name string) bool {
	return slices.ContainsFunc(f, func(l field) bool { return l.name == name })
}

// list is all values of a name as one, with commas in between: RFC 9110, section
// 5.3.
func (f fields) list(name string) string {
	all := ""
	for i := range f {
		switch {
		case f[i].name != name:
		case all == "":
			all = f[i].value
		default:
			all += ", " + f[i].value
		}
	}
	return all
}

func (f *fields) add(name, value string) { *f = append(*f, field{name, value}) }

// set replaces what there is of a name.
func (f *fields) set(name, value string) {
	f.del(name)
	f.add(name, value)
}

func (f *fields) del(name string) {
	*f = slices.DeleteFunc(*f, func(l field) bool { return l.name == name })
}

// putInto adds the lines to h, which belongs to who answers. What stands there
// already stays in front.
func (f fields) putInto(h http.Header) {
	values := make([]string, len(f)) // one piece of memory for all
	for i, l := range f {
		values[i] = l.value
		if own := h[l.name]; len(own) > 0 {
			h[l.name] = append(own, l.value)
		} else {
			h[l.name] = values[i : i+1 : i+1]
		}
	}
}

// header is f as net/http has it.
func (f fields) header() http.Header {
	h := make(http.Header, len(f))
	f.putInto(h)
	return h
}

// dropHopByHop takes away what concerns one connection only: RFC 9110, section
// 7.6.1.
func (f *fields) dropHopByHop() {
	var named []string
	for i := range *f {
		l := &(*f)[i]
		if l.name != "Connection" || strings.EqualFold(l.value, "keep-alive") || strings.EqualFold(l.value, "close") {
			continue
		}
		for name := range strings.SplitSeq(l.value, ",") {
			named = append(named, http.CanonicalHeaderKey(textproto.TrimString(name)))
		}
	}
	*f = slices.DeleteFunc(*f, func(l field) bool { return isHopByHop(l.name) || slices.Contains(named, l.name) })
}

// isHopByHop also knows those of RFC 2616 that did not name themselves in
// Connection.
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// headerRules are HeaderRules with their names as they are stored.
type headerRules struct {
	remove   []string
	set, add fields
}

func newHeaderRules(c HeaderRules) headerRules {
	lines := func(m map[string]string) (f fields) {
		for _, n := range slices.Sorted(maps.Keys(m)) {
			f.add(http.CanonicalHeaderKey(n), m[n])
		}
		return f
	}
	r := headerRules{set: lines(c.Set), add: lines(c.Add)}
	for _, n := range c.Remove {
		r.remove = append(r.remove, http.CanonicalHeaderKey(n))
	}
	return r
}

func (r *headerRules) apply(f *fields) {
	for _, n := range r.remove {
		f.del(n)
	}
	for _, l := range r.set {
		f.set(l.name, l.value)
	}
	*f = append(*f, r.add...)
}

var errLineBreak = errors.New("its header holds a line break")

// appendRequest writes the head of a request: RFC 9112, section 3. It fails where
// something in it would be read as another line.
func appendRequest(b []byte, method, target, host string, f fields, length string) ([]byte, error) {
	begin := len(b)
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	lines := 3
	for i := range f {
		b = append(b, f[i].name...)
		b = append(b, ": "...)
		b = append(b, f[i].value...)
		b = append(b, "\r\n"...)
		lines++
	}
	if length != "" {
		b = append(b, "Content-Length: "...)
		b = append(b, length...)
		b = append(b, "\r\n"...)
		lines++
	}
	b = append(b, "\r\n"...)
	if head := b[begin:]; bytes.Count(head, []byte("\n")) != lines || bytes.Count(head, []byte("\r")) != lines || bytes.IndexByte(head, 0) >= 0 {
		return b[:begin], errLineBreak
	}
	return b, nil
}
