package http1

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// A dateLine is a Date field, for one second.
type dateLine struct {
	second int64
	text   string
}

// appendDate adds the Date of now.
func (s *Server) appendDate(b []byte) []byte {
	now := time.Now()
	d := s.date.Load()
	if second := now.Unix(); d == nil || d.second != second {
		d = &dateLine{second, "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
		s.date.Store(d)
	}
	return append(b, d.text...)
}

// appendStatus adds a status line: RFC 9112 section 4.
func appendStatus(b []byte, is11 bool, code int) []byte {
	version := "HTTP/1.0 "
	if is11 {
		version = "HTTP/1.1 "
	}
	b = append(b, version...)
	if code < 100 {
		b = append(b, '0')
	}
	b = strconv.AppendInt(b, int64(code), 10)
	b = append(b, ' ')
	if text := http.StatusText(code); text != "" {
		b = append(b, text...)
	} else {
		b = strconv.AppendInt(append(b, "status code "...), int64(code), 10)
	}
	return append(b, "\r\n"...)
}

// appendField adds a line. What would end it early becomes a space.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	value = textproto.TrimString(value)
	begin := len(b)
	b = append(b, value...)
	for i := begin; i < len(b); i++ {
		if b[i] == '\n' || b[i] == '\r' {
			b[i] = ' '
		}
	}
	return append(b, "\r\n"...)
}

// A plan is what the header of an answer says about the connection and the body. It
// is read when the handler decides on the header, and used when that is sent.
type plan struct {
	connection []string
	coding     string // the first Transfer-Encoding
	length     string // the first Content-Length
	trailers   []string
	trailing   bool // there will or may be trailers
	typed      bool // has a Content-Type, or must have none
	dated      bool
	upgrade    bool // has an Upgrade
}

// An entry is a name of a header with its values.
type entry struct {
	name   string
	values []string
}

// appendHeader adds the fields of h, in order, but those that plan is made of.
func (p *plan) appendHeader(b []byte, h http.Header, status int) []byte {
	var room [16]entry
	entries := room[:0]
	for name, values := range h {
		entries = append(entries, entry{name, values})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for i := range entries {
		name, values := entries[i].name, entries[i].values
		switch name {
		case "Connection":
			p.connection = values
			continue
		case "Transfer-Encoding":
			p.coding = first(values)
			continue
		case "Content-Length":
			p.length = first(values)
			continue
		case "Content-Type":
			if p.typed = true; status == http.StatusNotModified {
				continue
			}
		case "Content-Encoding":
			p.typed = p.typed || first(values) != ""
		case "Date":
			p.dated = len(values) > 0
		case "Upgrade":
			p.upgrade = first(values) != ""
		case "Trailer":
			p.declare(values)
		}
		if strings.HasPrefix(name, http.TrailerPrefix) {
			p.trailing = true
			continue
		}
		if !isToken(name) {
			continue
		}
		for _, v := range values {
			b = appendField(b, name, v)
		}
	}
	return b
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// declare notes the trailers that a Trailer field names.
func (p *plan) declare(values []string) {
	for _, v := range values {
		p.trailing = true
		for name := range strings.SplitSeq(v, ",") {
			name = http.CanonicalHeaderKey(textproto.TrimString(name))
			if name != "" && httpguts.ValidTrailerHeader(name) {
				p.trailers = append(p.trailers, name)
			}
		}
	}
}

// appendTrailers adds the fields that are due after the body, from what the header
// has become: those that were announced, and those that say so by their names.
func (p *plan) appendTrailers(b []byte, h http.Header) []byte {
	var t http.Header
	add := func(name string, values []string) {
		if t == nil {
			t = http.Header{}
		}
		t[name] = append(t[name], values...)
	}
	for name, values := range h {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			add(name, values)
		}
	}
	for _, name := range p.trailers {
		add(name, h[name])
	}
	return appendAll(b, t)
}

// appendAll adds all fields of h, in order.
func appendAll(b []byte, h http.Header) []byte {
	var names []string
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if isToken(name) {
			for _, v := range h[name] {
				b = appendField(b, name, v)
			}
		}
	}
	return b
}

// appendInterim adds the header of an answer before the answer: it says nothing of a
// body.
func appendInterim(b []byte, h http.Header) []byte {
	rest := make(http.Header, len(h))
	for name, values := range h {
		if name != "Content-Length" && name != "Transfer-Encoding" {
			rest[name] = values
		}
	}
	return append(appendAll(b, rest), "\r\n"...)
}

// isSwitch reports whether an answer leads to another protocol.
func (p *plan) isSwitch(status int) bool {
	return status == http.StatusSwitchingProtocols && p.upgrade && httpguts.HeaderValuesContainsToken(p.connection, "Upgrade")
}
