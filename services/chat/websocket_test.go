package chat

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// heard keeps what a decoder found, as lines.
type heard struct{ got []string }

func (h *heard) message(op byte, p []byte) {
	h.got = append(h.got, fmt.Sprintf("message %d %q", op, p))
}
func (h *heard) control(op byte, p []byte) {
	h.got = append(h.got, fmt.Sprintf("control %d %q", op, p))
}

// masked is a client's frame.
func masked(first byte, payload string) []byte {
	b := appendFrameHead(nil, 0, len(payload))
	b[0] = first
	b[1] |= maskBit
	key := []byte{0x5a, 0x01, 0xc3, 0x7e}
	b = append(b, key...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// decode feeds bytes in pieces of a size and returns what came of them, the error
// as the last line.
func decodeAll(b []byte, size int) []string {
	var h heard
	var d decoder
	b = bytes.Clone(b)
	for len(b) > 0 {
		n := min(size, len(b))
		if err := d.feed(b[:n:n], &h); err != nil {
			var v *violation
			if !errors.As(err, &v) {
				return append(h.got, "not a violation: "+err.Error())
			}
			return append(h.got, fmt.Sprintf("closed %d", v.code))
		}
		b = b[n:]
	}
	if d.atBoundary() && (d.buf != nil || d.control != nil || !d.text.ended()) {
		return append(h.got, "an idle decoder holds on to something")
	}
	return h.got
}

func TestDecoderDoesNotCareHowBytesCome(t *testing.T) {
	long := strings.Repeat("ü", 40_000)
	stream := bytes.Join([][]byte{
		masked(finBit|opText, "hello"), masked(finBit|opPing, "p"), masked(opText, "frag"), masked(finBit|opPing, ""),
		masked(opContinuation, ""), masked(finBit|opContinuation, "ments 👍"), masked(finBit|opText, ""), masked(finBit|opText, long),
		masked(finBit|opBinary, "\x00\xff"), masked(opText, long[:40_001]), masked(finBit|opContinuation, long[40_001:]),
		masked(finBit|opClose, "\x03\xe8bye"),
	}, nil)
	want := decodeAll(stream, len(stream))
	if len(want) != 9 || want[0] != `message 1 "hello"` || want[2] != `control 9 ""` || want[3] != `message 1 "fragments 👍"` {
		t.Fatalf("%.80q", want)
	}
	for _, size := range []int{1, 2, 3, 7, 64, 1000, 65_537} {
		if got := decodeAll(stream, size); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("in pieces of %d: %.80q", size, got)
		}
	}
}

// What is wrong is noticed with the byte that makes it so.
func TestDecoderIsStrictEarly(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		code  int
	}{
		"reserved bits":               {[]byte{0xc1, 0x80}, 1002},
		"no mask":                     {[]byte{0x81, 0x05}, 1002},
		"unknown opcode":              {[]byte{0x83, 0x80}, 1002},
		"unknown control":             {[]byte{0x8b, 0x80}, 1002},
		"long ping":                   {[]byte{0x89, 0xfe}, 1002},
		"ping in fragments":           {[]byte{0x09, 0x80}, 1002},
		"continuation of nothing":     {[]byte{0x80, 0x80}, 1002},
		"text amid text":              {append(masked(opText, "a"), 0x81, 0x80), 1002},
		"above 2^63":                  {[]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 1002},
		"announced too large":         {[]byte{0x81, 0xff, 0, 0, 0, 0, 0, 2, 0, 1, 1, 2, 3, 4}, 1009},
		"together too large":          {append(masked(opText, strings.Repeat("x", maxFrame)), masked(opContinuation, "y")[:6]...), 1009},
		"not UTF-8":                   {masked(opText, "ab\xff and more")[:9], 1007},
		"a surrogate":                 {masked(opText, "\xed\xa0\x80")[:8], 1007},
		"overlong":                    {masked(opText, "\xc0")[:7], 1007},
		"a fragment that ends a rune": {append(masked(opText, "\xe2\x82"), masked(opContinuation, "a")...), 1007},
		"cut at the end":              {append(masked(opText, "x"), masked(finBit|opContinuation, "\xe2\x82")...), 1007},
	} {
		got := decodeAll(c.bytes, 1)
		if len(got) == 0 || got[len(got)-1] != fmt.Sprintf("closed %d", c.code) {
			t.Errorf("%s: %q", name, got)
		}
		if got := decodeAll(c.bytes[:len(c.bytes)-1], 1); len(got) > 0 {
			t.Errorf("%s: noticed before it came: %q", name, got)
		}
	}
}

// Frames are those of RFC 6455, section 5.7: single, unmasked, text.
func TestFrameHeads(t *testing.T) {
	for n, want := range map[int]string{
		0: "8100", 5: "8105", 125: "817d", 126: "817e007e", 65535: "817effff", 65536: "817f0000000000010000",
	} {
		if got := hex.EncodeToString(appendFrameHead(nil, opText, n)); got != want {
			t.Errorf("%d bytes: %s, not %s", n, got, want)
		}
	}
	it := newEventItem(7, []byte(`{"cursor":7}`))
	if string(it.data) != `{"cursor":7}` || string(it.frame[2:]) != `{"ev":{"cursor":7}}` {
		t.Errorf("%q %q", it.data, it.frame)
	}
	if b := appendClose(nil, closeSlow, strings.Repeat("r", 300)); len(b) != 2+maxControl {
		t.Errorf("a close frame of %d bytes", len(b))
	}
}

// FuzzDecoder: pieces do not matter, messages are within their bounds and UTF-8.
func FuzzDecoder(f *testing.F) {
	f.Add(masked(finBit|opText, "hello"), 1)
	f.Add(bytes.Join([][]byte{masked(opText, "a\xc3"), masked(finBit|opPing, "p"), masked(finBit|opContinuation, "\xbc")}, nil), 3)
	f.Add([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}, 2)
	f.Add(masked(finBit|opClose, "\x03\xe8"), 5)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if size < 1 {
			return
		}
		whole := decodeAll(b, max(len(b), 1))
		for _, n := range []int{1, size} {
			if got := decodeAll(b, n); strings.Join(got, "\n") != strings.Join(whole, "\n") {
				t.Fatalf("in pieces of %d %q, whole %q", n, got, whole)
			}
		}
		var d decoder
		_ = d.feed(bytes.Clone(b), bounds{t})
	})
}

// bounds checks what a decoder hands on.
type bounds struct{ t *testing.T }

func (b bounds) message(op byte, p []byte) {
	if len(p) > maxFrame || op == opText && !utf8.Valid(p) || op != opText && op != opBinary {
		b.t.Fatalf("message %d of %d bytes", op, len(p))
	}
}

func (b bounds) control(op byte, p []byte) {
	if len(p) > maxControl || op < opClose || op > opPong {
		b.t.Fatalf("control %d of %d bytes", op, len(p))
	}
	if op == opClose {
		if code, err := closing(p); err == nil && (code < 1000 || code > 4999) {
			b.t.Fatalf("close code %d", code)
		}
	}
}
