package jpegdec

import (
	"bytes"
	"encoding/binary"
)

// bits reads entropy-coded bytes, from which stuffing was taken out, bit by bit.
// Behind the end come zeros; over tells that some were used.
type bits struct {
	data []byte
	pos  int    // of the next byte
	acc  uint64 // bits to come, from the top
	n    uint   // how many of acc count
}

// fill makes at least 48 bits count.
func (b *bits) fill() {
	if b.pos+8 <= len(b.data) {
		// Bits that are there already are put on top of themselves.
		b.acc |= binary.BigEndian.Uint64(b.data[b.pos:]) >> (b.n & 63)
		b.pos += int(63-b.n) >> 3
		b.n |= 56
		return
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
func (b *bits) over() bool { return 8*b.pos-int(b.n) > 8*len(b.data) }

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

// entropy takes the bytes up to the next marker out of the file, and the zeros
// that stuff them (T.81, F.1.2.3) out of the bytes.
func (d *decoder) entropy() {
	rest := d.data[d.pos:]
	if d.scratch == nil {
		d.scratch = make([]byte, 0, len(rest))
	}
	out := d.scratch[:0]
	for {
		i := bytes.IndexByte(rest, 0xff)
		if i < 0 {
			out = append(out, rest...)
			rest = nil
			break
		}
		out = append(out, rest[:i]...)
		rest = rest[i:]
		for len(rest) > 1 && rest[1] == 0xff { // fill bytes
			rest = rest[1:]
		}
		if len(rest) < 2 || rest[1] != 0 {
			break
		}
		out = append(out, 0xff)
		rest = rest[2:]
	}
	d.pos = len(d.data) - len(rest)
	d.scratch = out
	d.bits = bits{data: out}
}
