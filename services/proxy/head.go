package proxy

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strings"
)

// A head is what the beginning of an answer says.
type head struct {
	status int
	fields fields
	length int64 // of the body; there is one if it is more than 0
	last   bool  // the upstream closes the connection after it
}

// parseHead reads the head of an answer to method from the beginning of b, and
// says how long it is. It knows only what leaves no question where the answer
// ends: HTTP/1.1, a final status, whole lines, one Content-Length and no
// Transfer-Encoding, or no body. The rest, or a head that is not all there, is
// net/http's affair: false. What it takes, net/http takes for the same; a fuzz
// target holds it to that.
func parseHead(b []byte, method string, into fields) (h head, n int, ok bool) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return h, 0, false
	}
	block := string(b[:end+2])
	status, block, _ := strings.Cut(block, "\r\n")
	if h.status, ok = parseStatus(status); !ok {
		return h, 0, false
	}
	h.fields, h.length = into, -1
	for block != "" {
		var line string
		line, block, _ = strings.Cut(block, "\r\n")
		name, value, ok := parseField(line)
		if !ok || !h.take(name, value) {
			return h, 0, false
		}
		h.fields.add(name, value)
	}
	switch {
	case method == http.MethodHead, h.status == http.StatusNoContent, h.status == http.StatusNotModified:
		h.length = 0
	case h.length < 0:
		return h, 0, false
	}
	return h, end + 4, true
}

// parseStatus reads "HTTP/1.1 200 OK".
func parseStatus(line string) (code int, ok bool) {
	rest, ok := strings.CutPrefix(line, "HTTP/1.1 ")
	if !ok || len(rest) < 3 || len(rest) > 3 && rest[3] != ' ' || !isText(rest) {
		return 0, false
	}
	for i := range 3 {
		if rest[i] < '0' || rest[i] > '9' {
			return 0, false
		}
		code = code*10 + int(rest[i]-'0')
	}
	return code, code >= 200 && code <= 599
}

// parseField reads a line of a header without its line break.
func parseField(line string) (name, value string, ok bool) {
	colon := strings.IndexByte(line, ':')
	if colon <= 0 {
		return "", "", false
	}
	name = line[:colon]
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && (c < '0' || c > '9') && c != '_' {
			return "", "", false
		}
	}
	value = line[colon+1:]
	return textproto.CanonicalMIMEHeaderKey(name), trim(value), isText(value)
}

// trim is strings.Trim of blanks and tabs, which makes a table of them each time.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// isText reports whether s has no control characters but tabs.
func isText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// take notes what a line means for where the answer ends; false: that takes more
// thought.
func (h *head) take(name, value string) bool {
	switch name {
	case "Content-Length":
		if h.length >= 0 || value == "" || len(value) > 18 {
			return false
		}
		h.length = 0
		for i := range len(value) {
			if value[i] < '0' || value[i] > '9' {
				return false
			}
			h.length = h.length*10 + int64(value[i]-'0')
		}
	case "Connection":
		if strings.EqualFold(value, "close") {
			h.last = true
		} else if !strings.EqualFold(value, "keep-alive") {
			return false
		}
	case "Transfer-Encoding", "Trailer", "Upgrade", "Pragma": // the last one for what net/http makes of it
		return false
	}
	return true
}
