package jpegdec

// lutBits is how many bits the table of a huffman looks at together. Most codes
// and the values behind them fit.
const lutBits = 10

// pairBits is the same for the table of pairs.
const pairBits = 12

// An entry of a huffman's table. Of a code whose value fits in lutBits too:
// bits 0-4 the length of both, bits 8-15 the run of zeros before it, bits 16-31
// the value. With part set only the code fits: bits 0-4 its length, bits 8-15
// the run, bits 16-31 the number of bits of the value. A zero is a longer code.
const part = 1 << 7

// endRun is the run of an end of block, far beyond what others can add up to.
const endRun = 100

type huffman struct {
	lut   [1 << lutBits]uint32
	pairs *[1 << pairBits]uint64 // of AC coefficients, made when a scan needs it
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

// An entry of a table of pairs, of codes of AC coefficients that fit in pairBits
// together with their values: bits 0-4 the length of all, bits 8-15 how many
// coefficients they are, with the zeros; bits 16-23 the zeros before the first
// value, bits 24-31 the place of the second from there; bits 32-47 the first
// value, bits 48-63 the second. Where there is one alone, or an end of block
// behind it, the place of the second is behind everything.

// alone is the place of a second value that there is not, and of a first one
// that does not fit.
const alone = 255 - 64

// makePairs makes the table of pairs.
func (h *huffman) makePairs() *[1 << pairBits]uint64 {
	if h.pairs != nil {
		return h.pairs
	}
	h.pairs = new([1 << pairBits]uint64)
	for i := range h.pairs {
		run, v, l := h.symbol(uint32(i), pairBits)
		if l == 0 || run == endRun {
			h.pairs[i] = alone << 16
			continue
		}
		e := uint64(run)<<16 | uint64(uint16(v))<<32
		next, w, ll := h.symbol(uint32(i)<<l, pairBits-l)
		switch {
		case ll == 0:
			e |= uint64(l) | uint64(run+1)<<8 | alone<<24
		case next == endRun:
			e |= uint64(l+ll) | uint64(run+1+endRun+1)<<8 | alone<<24
		default:
			e |= uint64(l+ll) | uint64(run+1+next+1)<<8 | uint64(run+1+next)<<24 | uint64(uint16(w))<<48
		}
		h.pairs[i] = e
	}
	return h.pairs
}

// symbol decodes what stands at the top of pairBits bits, of which n count: l is
// zero if it is longer.
func (h *huffman) symbol(bits, n uint32) (run uint32, v int32, l uint32) {
	bits &= 1<<pairBits - 1
	e := h.lut[bits>>(pairBits-lutBits)]
	run, size, l := e>>8&0xff, e>>16, e&31
	switch {
	case e == 0:
		val, ll, ok := h.long(bits << (16 - pairBits))
		if !ok {
			return 0, 0, 0
		}
		run, size, l = uint32(val>>4), uint32(val&15), ll
		if size == 0 && run < 15 {
			run = endRun
		}
	case e&part == 0:
		if l > n {
			return 0, 0, 0
		}
		return run, int32(int16(e >> 16)), l
	}
	if l+size > n {
		return 0, 0, 0
	}
	return run, extend(int32(bits>>(pairBits-l-size)&(1<<size-1)), size), l + size
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
