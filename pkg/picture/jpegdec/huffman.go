package jpegdec

// lutBits is how many bits the table of a huffman looks at together. Most codes
// and the values behind them fit.
const lutBits = 10

// An entry of a huffman's table. Of a code whose value fits in lutBits too:
// bits 0-4 the length of both, bits 8-15 the run of zeros before it, bits 16-31
// the value. With part set only the code fits: bits 0-4 its length, bits 8-15
// the run, bits 16-31 the number of bits of the value. A zero is a longer code.
const part = 1 << 7

// endRun is the run of an end of block, far beyond what others can add up to.
const endRun = 100

type huffman struct {
	lut [1 << lutBits]uint32
	// Codes longer than lutBits (T.81, F.2.2.3): limit[l] is the first code
	// of l bits that is none, offset[l] leads from a code to its value.
	limit  [17]int32
	offset [17]int32
	vals   [256]uint8
	count  int
}

func (d *decoder) tables(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 || b[0]>>4 > 1 || b[0]&15 > 3 {
			return FormatError("bad huffman table")
		}
		class, t := b[0]>>4, b[0]&15
		h := new(huffman)
		n, code := 0, int32(0)
		for l := 1; l <= 16; l++ {
			c := int(b[l])
			h.offset[l] = int32(n) - code
			n += c
			code += int32(c)
			h.limit[l] = code
			if code > 1<<l {
				return FormatError("bad huffman table")
			}
			code <<= 1
		}
		if n == 0 || n > 256 || len(b) < 17+n {
			return FormatError("bad huffman table")
		}
		copy(h.vals[:], b[17:17+n])
		h.count = n
		h.fill(b[1:17], class == 1)
		d.huff[class][t] = h
		b = b[17+n:]
	}
	return nil
}

// fill makes the table of short codes.
func (h *huffman) fill(counts []byte, ac bool) {
	code, n := uint32(0), 0
	for l := uint32(1); l <= lutBits; l++ {
		for range counts[l-1] {
			first := code << (lutBits - l)
			for i := range uint32(1) << (lutBits - l) {
				h.lut[first+i] = entry(h.vals[n], l, i, ac)
			}
			code++
			n++
		}
		code <<= 1
	}
}

// entry is that of a value behind whose code of l bits follow the bits rest.
func entry(val uint8, l, rest uint32, ac bool) uint32 {
	run, size := uint32(0), uint32(val)
	if ac {
		run, size = uint32(val>>4), uint32(val&15)
		if size == 0 && run < 15 {
			run = endRun
		}
	}
	if size > 16 {
		return 0 // no such size: the slow way finds out
	}
	if l+size > lutBits {
		return l | part | run<<8 | size<<16
	}
	v := extend(int32(rest>>(lutBits-l-size)), size)
	return l + size | run<<8 | uint32(uint16(int16(v)))<<16
}

// extend is the value that size bits stand for (T.81, F.2.2.1).
func extend(v int32, size uint32) int32 {
	if size > 0 && v < 1<<(size-1) {
		return v - 1<<size + 1
	}
	return v
}

// long finds a code of more than lutBits among the next 16 bits.
func (h *huffman) long(next16 uint32) (val uint8, l uint32, ok bool) {
	for l = lutBits + 1; l <= 16; l++ {
		if c := int32(next16 >> (16 - l)); c < h.limit[l] {
			i := int(c + h.offset[l])
			return h.vals[uint8(i)], l, i >= 0 && i < h.count
		}
	}
	return 0, 0, false
}
