package http1

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// A fault is why a request is refused, and how. What Go's own server says, and
// where, is kept: programs and people know it.
type fault struct {
	status int
	text   string // more than the name of the status; empty: that is all
}

func (f *fault) Error() string {
	s := strconv.Itoa(f.status) + " " + http.StatusText(f.status)
	if f.text != "" {
		s += ": " + f.text
	}
	return s
}

var (
	errMalformed = &fault{status: http.StatusBadRequest}
	errTooLarge  = &fault{status: http.StatusRequestHeaderFieldsTooLarge}
	errVersion   = &fault{http.StatusHTTPVersionNotSupported, "unsupported protocol version"}
	errNoHost    = &fault{http.StatusBadRequest, "missing required Host header"}
	errHost      = &fault{http.StatusBadRequest, "malformed Host header"}
	errFieldName = &fault{http.StatusBadRequest, "invalid header name"}
	errCoding    = &fault{status: http.StatusNotImplemented}
)

// cutLine splits off the first line of s, without its end: CRLF or, as RFC 9112
// section 2.2 allows, a bare LF. ok is false if there is none.
func cutLine(s string) (line, rest string, ok bool) {
	i := strings.IndexByte(s, '\n')
	if i < 0 {
		return "", s, false
	}
	line, rest = s[:i], s[i+1:]
	return strings.TrimSuffix(line, "\r"), rest, true
}

// endOfHead is how long the head at the beginning of b is: up to the first empty
// line after the first line, and with it. 0: it is not all there. from is where the
// last look ended, and moves, so that no byte is looked at twice.
func endOfHead(b []byte, from *int) int {
	i := *from
	for {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			*from = len(b)
			return 0
		}
		i += n + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		case i >= len(b) || i+1 >= len(b) && b[i] == '\r':
			*from = i - 1 // this end of a line counts when more is there
			return 0
		}
	}
}

// parseLine reads a request line (RFC 9112 section 3) into r.
func parseLine(r *http.Request, u *url.URL, line string) error {
	method, rest, ok1 := strings.Cut(line, " ")
	target, proto, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || !isToken(method) {
		return errMalformed
	}
	r.Method, r.RequestURI, r.Proto = method, target, proto
	var ok bool
	if r.ProtoMajor, r.ProtoMinor, ok = http.ParseHTTPVersion(proto); !ok {
		return errMalformed
	}
	if isPlainPath(target) {
		path, query, found := strings.Cut(target, "?")
		u.Path, u.RawQuery, u.ForceQuery = path, query, found && query == ""
		r.URL = u
		return nil
	}
	authority := method == http.MethodConnect && !strings.HasPrefix(target, "/")
	if authority {
		target = "http://" + target
	}
	var err error
	if r.URL, err = url.ParseRequestURI(target); err != nil {
		return errMalformed
	}
	if authority {
		r.URL.Scheme = ""
	}
	return nil
}

// isPlainPath is true for targets that mean what they say, which most are: a path
// without escapes or anything that would need one, and a query.
func isPlainPath(s string) bool {
	if len(s) == 0 || s[0] != '/' || len(s) > 1 && s[1] == '/' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '.', c == '_', c == '~':
		case c == '?':
			return isText(s[i:])
		default:
			return false
		}
	}
	return true
}

// isText is true for what url.Parse lets pass in a query.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// parseHead reads the whole head of a request, as endOfHead found it, into x. The
// strings of the request are parts of s.
func (x *exchange) parseHead(s string) error {
	r := &x.req
	line, s, _ := cutLine(s)
	if err := parseLine(r, &x.url, line); err != nil {
		return err
	}
	if s[0] == ' ' || s[0] == '\t' {
		return errMalformed // there is no line that this could go on with
	}
	n := strings.Count(s, "\n") - 1
	r.Header = make(http.Header, min(n, 64))
	values := x.values[:]
	if n > len(values) {
		values = make([]string, min(n, 1000))
	}
	for {
		line, s, _ = cutLine(s)
		if line == "" {
			break
		}
		if s[0] == ' ' || s[0] == '\t' {
			if strings.IndexByte(line, ':') < 0 {
				return errMalformed
			}
			line, s = unfold(line, s)
		} else {
			line = trim(line)
		}
		name, value, err := parseField(line)
		if err != nil {
			return err
		}
		if list := r.Header[name]; list != nil || len(values) == 0 {
			r.Header[name] = append(list, value)
			continue
		}
		values[0] = value
		r.Header[name], values = values[:1:1], values[1:]
	}
	return x.settle()
}

// unfold joins a line and those that go on with it (obs-fold, RFC 9112 section
// 5.2) with single spaces.
func unfold(line, s string) (joined, rest string) {
	var b strings.Builder
	b.WriteString(trim(line))
	for s[0] == ' ' || s[0] == '\t' {
		line, s, _ = cutLine(s)
		b.WriteByte(' ')
		b.WriteString(trim(line))
	}
	return b.String(), s
}

// trim is strings.Trim of blanks and tabs, which makes a table of them each time.
func trim(s string) string {
	s = trimLeft(s)
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

func trimLeft(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

// parseField reads a line of a header. A name with a space before its colon is
// returned as it is, and refused in settle, after what matters more.
func parseField(line string) (name, value string, err error) {
	colon := strings.IndexByte(line, ':')
	if colon <= 0 {
		return "", "", errMalformed
	}
	name, value = line[:colon], trimLeft(line[colon+1:])
	spaced := false
	for i := range len(name) {
		if !tokenByte[name[i]] {
			if name[i] != ' ' {
				return "", "", errMalformed
			}
			spaced = true
		}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return "", "", errMalformed
		}
	}
	if !spaced {
		name = textproto.CanonicalMIMEHeaderKey(name)
	}
	return name, value, nil
}

// settle is what follows from the fields: where the request goes and where it
// ends.
func (x *exchange) settle() error {
	r := &x.req
	hosts := r.Header["Host"]
	if len(hosts) > 1 {
		return errMalformed
	}
	if r.Host = r.URL.Host; r.Host == "" && len(hosts) == 1 {
		r.Host = hosts[0]
	}
	if p := r.Header["Pragma"]; len(p) > 0 && p[0] == "no-cache" && r.Header["Cache-Control"] == nil {
		r.Header["Cache-Control"] = []string{"no-cache"}
	}
	x.is11 = r.ProtoMajor > 1 || r.ProtoMajor == 1 && r.ProtoMinor >= 1
	connection := r.Header["Connection"]
	asksClose := httpguts.HeaderValuesContainsToken(connection, "close")
	r.Close = r.ProtoMajor < 1 || asksClose
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		r.Close = asksClose || !httpguts.HeaderValuesContainsToken(connection, "keep-alive")
		x.keep10 = len(connection) > 0 && httpguts.HeaderValuesContainsToken(connection[:1], "keep-alive")
	}
	if err := x.frame(); err != nil {
		return err
	}
	if r.ProtoMajor != 1 {
		return errVersion
	}
	if x.is11 && len(hosts) == 0 && r.Method != http.MethodConnect {
		return errNoHost
	}
	if len(hosts) == 1 && !httpguts.ValidHostHeader(hosts[0]) {
		return errHost
	}
	for name := range r.Header {
		if strings.IndexByte(name, ' ') >= 0 {
			return errFieldName
		}
	}
	delete(r.Header, "Host")
	return nil
}

// frame finds out how long the body is: RFC 9112 section 6. One coding, chunked, and
// no two lengths.
func (x *exchange) frame() error {
	r := &x.req
	chunked := false
	if codings, ok := r.Header["Transfer-Encoding"]; ok {
		delete(r.Header, "Transfer-Encoding")
		if x.is11 {
			if len(codings) != 1 || !strings.EqualFold(codings[0], "chunked") || len(codings[0]) != len("chunked") {
				return errCoding
			}
			chunked = true
		}
	}
	lengths, ok := r.Header["Content-Length"]
	if ok {
		first := trim(lengths[0])
		for _, l := range lengths[1:] {
			if trim(l) != first {
				return errMalformed
			}
		}
		n, err := strconv.ParseUint(first, 10, 63)
		if err != nil {
			return errMalformed
		}
		lengths[0] = first
		r.Header["Content-Length"] = lengths[:1]
		r.ContentLength = int64(n)
	}
	if chunked {
		delete(r.Header, "Content-Length")
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
		return x.announced()
	}
	return nil
}

// announced makes room for the trailer fields that the header names.
func (x *exchange) announced() error {
	values, ok := x.req.Header["Trailer"]
	if !ok {
		return nil
	}
	delete(x.req.Header, "Trailer")
	trailer := http.Header{}
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			if name = textproto.TrimString(name); name == "" {
				continue
			}
			name = http.CanonicalHeaderKey(name)
			switch name {
			case "Transfer-Encoding", "Trailer", "Content-Length":
				return errMalformed
			}
			trailer[name] = nil
		}
	}
	if len(trailer) > 0 {
		x.req.Trailer = trailer
	}
	return nil
}

// tokenByte has the characters of tokens: RFC 9110 section 5.6.2.
var tokenByte = func() (t [256]bool) {
	for c := range t {
		t[c] = httpguts.IsTokenRune(rune(c))
	}
	return t
}()

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenByte[s[i]] {
			return false
		}
	}
	return s != ""
}
