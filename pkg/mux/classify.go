package mux

import (
	"bytes"
	"encoding/binary"
)

// Classify says what the first bytes of a connection speak. b is everything
// that came so far; end says that no more will come, because the client ended
// its stream or time or space is up. done is false where more bytes could change
// the answer; it is always true at the end.
//
// Once done, the verdict is the same for every longer b: it does not depend on
// how the bytes were cut into packets.
func Classify(b []byte, end bool) (v Verdict, done bool) {
	if len(b) == 0 {
		return Verdict{Protocol: Silent}, end
	}
	a := maybe
	switch c := b[0]; {
	case c == recordHandshake:
		v, a = tlsHello(b)
		if a == maybe && end && len(b) >= recordHeader {
			return Verdict{Protocol: TLS}, true // truncated; let TLS say so
		}
	case c == 0x00:
		v.Protocol, a = Postgres, postgres(b)
	case c == 0x10:
		v.Protocol, a = MQTT, mqtt(b)
	case c == 0x05:
		v.Protocol, a = SOCKS5, socks5(b)
	case tokenChar(c):
		v.Protocol, a = text(b)
	default:
		a = no
	}
	switch {
	case a == yes:
		return v, true
	case a == no || end:
		return Verdict{}, true
	}
	return Verdict{}, false
}

// answer is what a probe knows about a beginning.
type answer uint8

const (
	maybe answer = iota // more bytes are needed
	yes
	no
)

// starts compares b with prefix as far as both go.
func starts(b []byte, prefix string) answer {
	n := min(len(b), len(prefix))
	switch {
	case string(b[:n]) != prefix[:n]:
		return no
	case n < len(prefix):
		return maybe
	}
	return yes
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // RFC 9113 section 3.4

// text tells the protocols apart whose first byte could begin an HTTP method.
func text(b []byte) (Protocol, answer) {
	ssh, h2, h1 := starts(b, "SSH-"), starts(b, preface), http1Begins(b)
	switch {
	case ssh == yes: // RFC 4253 section 4.2
		return SSH, yes
	case h2 == yes:
		return HTTP2, yes
	case ssh == maybe || h2 == maybe:
		return Unknown, maybe
	}
	return HTTP1, h1
}

// methods are known well enough to decide without the rest of the line: those
// of RFC 9110, PATCH, and WebDAV's.
var methods = []string{
	"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "PATCH ", "OPTIONS ", "CONNECT ", "TRACE ",
	"PROPFIND ", "PROPPATCH ", "MKCOL ", "COPY ", "MOVE ", "LOCK ", "UNLOCK ", "REPORT ",
}

const maxMethod = 64 // bytes of a method that nobody has heard of

// http1Begins looks for the request line of RFC 9112 section 3. A method that is not
// known is any token of RFC 9110 section 5.6.2, and the line must then show its
// version.
func http1Begins(b []byte) answer {
	for _, m := range methods {
		if starts(b, m) == yes {
			return yes
		}
	}
	i := 0
	for i < len(b) && tokenChar(b[i]) {
		i++
	}
	switch {
	case i > maxMethod:
		return no
	case i == len(b):
		return maybe
	case b[i] != ' ':
		return no
	}
	target := b[i+1:]
	n := 0
	for n < len(target) && target[n] > ' ' && target[n] != 0x7f {
		n++
	}
	switch {
	case n == len(target):
		return maybe
	case n == 0 || target[n] != ' ':
		return no
	}
	return starts(target[n+1:], "HTTP/1.")
}

func tokenChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c < 0x80 && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}

// postgres looks for a startup packet, which has no type byte: its length, then
// a protocol version or the code of a cancel, TLS or GSS request (PostgreSQL
// documentation, "Message Formats").
func postgres(b []byte) answer {
	if len(b) < 8 {
		if len(b) > 1 && b[1] != 0 || len(b) > 4 && b[4] != 0x04 && b[4] != 0x00 {
			return no
		}
		return maybe
	}
	length, code := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	switch {
	case code == 80877103 || code == 80877104: // SSLRequest, GSSENCRequest
		return when(length == 8)
	case code == 80877102: // CancelRequest; its key may be up to 256 bytes since 3.2
		return when(length >= 12 && length <= 12+256)
	case code>>16 == 3: // StartupMessage 3.x; the server's own limit is 10,000
		return when(length > 8 && length <= 10000)
	}
	return no
}

func when(ok bool) answer {
	if ok {
		return yes
	}
	return no
}

// mqtt looks for CONNECT: MQTT 3.1.1 and 5.0 section 3.1, and 3.1 with its
// older name.
func mqtt(b []byte) answer {
	i := 1
	for ; ; i++ { // remaining length, up to four bytes of seven bits
		if i == len(b) {
			return maybe
		}
		if b[i]&0x80 == 0 {
			break
		}
		if i == 4 {
			return no
		}
	}
	name := b[i+1:]
	now, old := starts(name, "\x00\x04MQTT"), starts(name, "\x00\x06MQIsdp")
	switch {
	case now == yes || old == yes:
		return yes
	case now == no && old == no:
		return no
	}
	return maybe
}

// socks5 looks for a greeting: version, number of methods, methods (RFC 1928
// section 3).
func socks5(b []byte) answer {
	switch {
	case len(b) < 2:
		return maybe
	case b[1] == 0:
		return no
	case len(b) < 2+int(b[1]):
		return maybe
	}
	return yes
}
