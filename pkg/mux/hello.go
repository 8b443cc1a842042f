package mux

import (
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

const (
	recordHandshake = 0x16        // type of a TLS record, its first byte
	recordHeader    = 5           // bytes
	maxRecord       = 1<<14 + 256 // RFC 8446 section 5.1, with what old stacks add
	clientHello     = 1
	maxHello        = 12 << 10 // of a handshake message; leaves room for record headers in a look
)

// tlsHello looks for a ClientHello (RFC 8446 section 4.1.2), which may be spread
// over records. What begins as one is TLS, with names only where it is whole
// and well formed; TLS itself will find the fault.
func tlsHello(b []byte) (Verdict, answer) {
	v := Verdict{Protocol: TLS}
	if len(b) > 1 && b[1] != 3 || len(b) > 2 && b[2] > 4 {
		return Verdict{}, no
	}
	if len(b) <= recordHeader {
		return Verdict{}, maybe
	}
	if b[recordHeader] != clientHello {
		return Verdict{}, no
	}
	msg, a := handshake(b)
	switch a {
	case maybe:
		return Verdict{}, maybe
	case yes:
		v.SNI, v.ALPN = helloNames(msg)
	}
	return v, yes
}

// handshake puts the first handshake message of a stream of records together,
// without its header. no: it is too long or the records are not what they
// should be.
func handshake(b []byte) (msg []byte, a answer) {
	want := -1 // length of the message with its header; -1: not known
	for {
		if len(b) == 0 {
			return nil, maybe
		}
		if b[0] != recordHandshake || len(b) > 1 && b[1] != 3 {
			return nil, no
		}
		if len(b) < recordHeader {
			return nil, maybe
		}
		n := int(b[3])<<8 | int(b[4])
		if n == 0 || n > maxRecord {
			return nil, no
		}
		part := b[recordHeader:min(len(b), recordHeader+n)]
		if msg == nil { // most hellos lie in one record: no copy
			msg = part[:len(part):len(part)]
		} else {
			msg = append(msg, part...)
		}
		if want < 0 && len(msg) >= 4 {
			want = 4 + int(msg[1])<<16 + int(msg[2])<<8 + int(msg[3])
			if want > maxHello {
				return nil, no
			}
		}
		if want >= 0 && len(msg) >= want {
			return msg[4:want], yes
		}
		if len(part) < n {
			return nil, maybe
		}
		b = b[recordHeader+n:]
	}
}

// helloNames returns server_name in lower case (RFC 6066 section 3) and the
// protocols of ALPN (RFC 7301) from the body of a ClientHello.
func helloNames(msg []byte) (sni string, alpn []string) {
	s := cryptobyte.String(msg)
	var skip, exts cryptobyte.String
	if !s.Skip(2+32) || !s.ReadUint8LengthPrefixed(&skip) || !s.ReadUint16LengthPrefixed(&skip) ||
		!s.ReadUint8LengthPrefixed(&skip) || !s.ReadUint16LengthPrefixed(&exts) {
		return "", nil
	}
	for !exts.Empty() {
		var kind uint16
		var ext cryptobyte.String
		if !exts.ReadUint16(&kind) || !exts.ReadUint16LengthPrefixed(&ext) {
			return sni, alpn
		}
		switch kind {
		case 0:
			sni = serverName(ext)
		case 16:
			alpn = protocols(ext)
		}
	}
	return sni, alpn
}

func serverName(ext cryptobyte.String) string {
	var list cryptobyte.String
	if !ext.ReadUint16LengthPrefixed(&list) {
		return ""
	}
	for !list.Empty() {
		var kind uint8
		var name cryptobyte.String
		if !list.ReadUint8(&kind) || !list.ReadUint16LengthPrefixed(&name) {
			return ""
		}
		if kind == 0 {
			return strings.TrimSuffix(strings.ToLower(string(name)), ".")
		}
	}
	return ""
}

func protocols(ext cryptobyte.String) (names []string) {
	var list cryptobyte.String
	if !ext.ReadUint16LengthPrefixed(&list) {
		return nil
	}
	for !list.Empty() {
		var name cryptobyte.String
		if !list.ReadUint8LengthPrefixed(&name) {
			return names
		}
		names = append(names, string(name))
	}
	return names
}
