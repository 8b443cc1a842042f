package jpegdec

import (
	"bytes"
	"encoding/binary"
)

// bits reads entropy-coded bytes bit by bit. Behind their end come zeros; over
// tells that some were used.
type bits struct {
	data []byte // of window, what was taken out of the file so far
	pos  int    // of the next byte
	acc  uint64 // bits to come, from the top
	n    uint   // how many of acc count

	rest   []byte // of the file
	ended  bool   // rest begins with a marker, or is empty
	window [windowSize]byte
}

// windowSize is how many bytes are taken out of the file together.
const windowSize = 16 << 10

// begin begins to read b, which goes on to the next marker.
func (b *bits) begin(data []byte) {
	b.rest, b.ended = data, false
	b.data, b.pos, b.acc, b.n = b.window[:0], 0, 0, 0
	b.more()
}

// end passes over what was not read, and returns the file from the next marker
// on.
func (b *bits) end() []byte {
	for !b.ended {
		b.pos = len(b.data)
		b.more()
	}
	return b.rest
}

// more takes bytes out of the file, and the zeros that stuff them (T.81,
// F.1.2.3) out of these. At most 8 bytes are left to be read before.
func (b *bits) more() {
	out := b.window[:copy(b.window[:], b.data[min(b.pos, len(b.data)):])]
	for len(out) < windowSize {
		part := b.rest[:min(len(b.rest), windowSize-len(out))]
		i := bytes.IndexByte(part, 0xff)
		if i < 0 {
			out, b.rest = append(out, part...), b.rest[len(part):]
			if len(b.rest) == 0 {
				b.ended = true
				break
			}
			continue
		}
		out, b.rest = append(out, part[:i]...), b.rest[i:]
		for len(b.rest) > 1 && b.rest[1] == 0xff { // fill bytes
			b.rest = b.rest[1:]
		}
		if len(b.rest) < 2 || b.rest[1] != 0 {
			b.ended = true
			break
		}
		out, b.rest = append(out, 0xff), b.rest[2:]
	}
	b.data, b.pos = out, 0
}

// fill makes at least 48 bits count.
func (b *bits) fill() {
	if b.pos+8 > len(b.data) {
		b.refill()
		return
	}
	// Bits that are there already are put on top of themselves.
	b.acc |= binary.BigEndian.Uint64(b.data[b.pos:b.pos+8]) >> (b.n & 63)
	b.pos += int(63-b.n) >> 3
	b.n |= 56
}

// refill is fill at the end of the window.
func (b *bits) refill() {
	if !b.ended {
		b.more()
	}
	for b.n <= 56 {
		if b.pos < len(b.data) {
			b.acc |= uint64(b.data[b.pos]) << ((56 - b.n) & 63)
		}
		b.pos++
		b.n += 8
	}
}

// over reports that more was read than there is.
func (b *bits) over() bool { return b.ended && 8*b.pos-int(b.n) > 8*len(b.data) }

// take returns the next n bits, 16 at most.
func (b *bits) take(n uint) uint32 {
	if n == 0 {
		return 0
	}
	if b.n < 16 {
		b.fill()
	}
	v := uint32(b.acc >> ((64 - n) & 63))
	b.acc <<= n & 63
	b.n -= n
	return v
}

// value reads a code, without what stands behind it.
func (b *bits) value(h *huffman) (uint8, error) {
	if b.n < 16 {
		b.fill()
	}
	next := uint32(b.acc >> 48)
	for l := uint32(1); l <= 16; l++ {
		if c := int32(next >> (16 - l)); c < h.limit[l] && int(c+h.offset[l]) < h.count {
			b.acc <<= l
			b.n -= uint(l)
			return h.vals[uint8(c+h.offset[l])], nil
		}
	}
	return 0, FormatError("bad huffman code")
}
