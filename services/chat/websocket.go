package chat

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa

	finBit     = 0x80
	reserved   = 0x70 // bits of extensions, of which there are none
	opcodeMask = 0x0f
	maskBit    = 0x80

	maxControl   = 125 // bytes of a control frame's payload (section 5.5)
	maxFrameHead = 10  // of a server's frame: it does not mask
)

// closeNone stands for a close frame without a code (section 7.1.5).
const closeNone = 1005

// A violation is what a client did against RFC 6455, and the code to close with.
type violation struct {
	code   int
	reason string
}

func (v *violation) Error() string { return v.reason }

func breach(reason string) error { return &violation{closeProtocol, reason} }

var (
	errTooBig = &violation{closeTooBig, "a message above 128 KiB"}
	errUTF8   = &violation{closeInvalid, "text must be UTF-8"}
)

// A receiver takes what a decoder found. The payloads are valid for the call.
type receiver interface {
	message(op byte, payload []byte)
	control(op byte, payload []byte)
}

// A decoder cuts what a client sends into messages and control frames (RFC 6455,
// section 5). It takes bytes in pieces of any size and never waits for more: in
// between it holds what is unfinished, which is nothing while a connection is
// idle. After an error it must not be used again.
type decoder struct {
	buf  []byte // of the message that is unfinished; nil: of none
	left int    // bytes of the frame's payload that are to come

	control []byte // of a control frame that is unfinished

	head  [14]byte // of the frame that is unfinished
	headN uint8
	open  bool  // the head is complete, the payload is not
	turn  uint8 // how far into the mask the payload is

	op   byte // of the message under way; 0: none
	text utf8Checker
}

// atBoundary says that no frame and no message is under way.
func (d *decoder) atBoundary() bool { return d.headN == 0 && d.op == 0 }

// feed takes the next bytes, which it changes, and hands on what is complete.
func (d *decoder) feed(p []byte, to receiver) error {
	for len(p) > 0 || d.open && d.left == 0 {
		if !d.open {
			n, err := d.takeHead(p)
			if err != nil {
				return err
			}
			p = p[n:]
			continue
		}
		piece := p[:min(d.left, len(p))]
		p = p[len(piece):]
		d.left -= len(piece)
		d.unmask(piece)
		if err := d.takePayload(piece, to); err != nil {
			return err
		}
	}
	return nil
}

// takeHead collects the head of a frame, and judges it as early as possible.
func (d *decoder) takeHead(p []byte) (n int, err error) {
	for n < len(p) {
		d.head[d.headN] = p[n]
		d.headN++
		n++
		if d.headN == 2 {
			if err := d.checkHead(); err != nil {
				return n, err
			}
		}
		if d.headN >= 2 && int(d.headN) == headSize(d.head[1]) {
			return n, d.begin()
		}
	}
	return n, nil
}

// headSize is how long a client's head is that has this second byte.
func headSize(second byte) int {
	switch second &^ maskBit {
	case 126:
		return 2 + 2 + 4
	case 127:
		return 2 + 8 + 4
	}
	return 2 + 4
}

func (d *decoder) checkHead() error {
	first, length := d.head[0], int(d.head[1]&^maskBit)
	op, fin := first&opcodeMask, first&finBit != 0
	switch {
	case first&reserved != 0:
		return breach("reserved bits without an extension")
	case d.head[1]&maskBit == 0:
		return breach("a client must mask")
	case op >= opClose && op <= opPong:
		if !fin || length > maxControl {
			return breach("a control frame must be whole and short")
		}
	case op > opBinary:
		return breach("an opcode that means nothing")
	case op == opContinuation && d.op == 0:
		return breach("a continuation of nothing")
	case op != opContinuation && d.op != 0:
		return breach("a message amid another one")
	}
	return nil
}

// begin starts on the payload of a frame whose head is complete.
func (d *decoder) begin() error {
	n := uint64(d.head[1] &^ maskBit)
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(d.head[2:]))
	case 127:
		if n = binary.BigEndian.Uint64(d.head[2:]); n>>63 != 0 {
			return breach("a length above 2^63")
		}
	}
	op := d.head[0] & opcodeMask
	if op < opClose && n > uint64(maxFrame-len(d.buf)) {
		return errTooBig
	}
	d.left, d.open, d.turn = int(n), true, 0
	if op == opText || op == opBinary {
		d.op = op
	}
	return nil
}

// unmask takes the mask off the next piece of a payload (section 5.3).
func (d *decoder) unmask(p []byte) {
	key := d.head[d.headN-4 : d.headN]
	for len(p) > 0 && d.turn != 0 {
		p[0] ^= key[d.turn]
		d.turn = (d.turn + 1) & 3
		p = p[1:]
	}
	four := uint64(binary.LittleEndian.Uint32(key))
	eight := four<<32 | four
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^eight)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= key[d.turn]
		d.turn = (d.turn + 1) & 3
	}
}

// takePayload takes a piece of a frame's payload. Where the message lies in it
// whole it is not copied.
func (d *decoder) takePayload(p []byte, to receiver) error {
	op, fin, whole := d.head[0]&opcodeMask, d.head[0]&finBit != 0, d.left == 0
	if whole {
		d.open, d.headN = false, 0
	}
	if op >= opClose {
		if len(d.control) > 0 || !whole {
			d.control = append(d.control, p...)
			p = d.control
		}
		if whole {
			d.control = nil
			to.control(op, p)
		}
		return nil
	}
	if d.op == opText && !d.text.write(p) {
		return errUTF8
	}
	if len(d.buf) > 0 || !whole || !fin {
		d.buf = append(d.buf, p...)
		p = d.buf
	}
	if !whole || !fin {
		return nil
	}
	if !d.text.ended() {
		return errUTF8
	}
	kind := d.op
	d.op, d.buf = 0, nil
	to.message(kind, p)
	return nil
}

// A utf8Checker finds what cannot be UTF-8 as soon as it comes (section 8.1).
type utf8Checker struct {
	part [utf8.UTFMax]byte // of a rune that is unfinished
	n    uint8
}

func (u *utf8Checker) ended() bool { return u.n == 0 }

func (u *utf8Checker) write(p []byte) bool {
	for u.n > 0 && len(p) > 0 {
		u.part[u.n] = p[0]
		u.n++
		p = p[1:]
		if !utf8.FullRune(u.part[:u.n]) {
			continue
		}
		if r, size := utf8.DecodeRune(u.part[:u.n]); r == utf8.RuneError && size < 2 {
			return false
		}
		u.n = 0
	}
	whole := len(p)
	for i := len(p) - 1; i >= 0 && i >= len(p)-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				whole = i
			}
			break
		}
	}
	if !utf8.Valid(p[:whole]) {
		return false
	}
	if whole < len(p) {
		u.n = uint8(copy(u.part[:], p[whole:]))
	}
	return true
}

// closing reads a close frame (section 5.5.1). The answer repeats the code.
func closing(payload []byte) (code int, err error) {
	switch {
	case len(payload) == 0:
		return closeNone, nil
	case len(payload) == 1:
		return 0, breach("half a close code")
	}
	code = int(binary.BigEndian.Uint16(payload))
	registered := code >= 1000 && code <= 1014 && !slices.Contains([]int{1004, closeNone, 1006}, code)
	if !registered && (code < 3000 || code > 4999) {
		return 0, breach("a close code that may not be sent")
	}
	if !utf8.Valid(payload[2:]) {
		return 0, errUTF8
	}
	return code, nil
}

// appendFrame writes a whole frame.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	return append(appendFrameHead(b, op, len(payload)), payload...)
}

// appendFrameHead writes the head of a frame with n bytes.
func appendFrameHead(b []byte, op byte, n int) []byte {
	switch {
	case n < 126:
		return append(b, finBit|op, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, finBit|op, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(b, finBit|op, 127), uint64(n))
}

// appendClose writes a close frame, with as much of the reason as fits.
func appendClose(b []byte, code int, reason string) []byte {
	if code == closeNone {
		return appendFrame(b, opClose, nil)
	}
	payload := append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
	return appendFrame(b, opClose, payload[:min(len(payload), maxControl)])
}
