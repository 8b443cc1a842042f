package jpegdec

// A block is the coefficients of 8 x 8 samples, dequantized, in natural order; or
// those of them that a smaller size needs, first. Behind them is room for what
// is not needed.
type block [128]int32

// zigzag leads from the order of the file to the natural one (T.81, figure A.6).
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// spare is the place in a block of what is not needed.
const spare = 127

// A slot says of a coefficient, in the order of the file, where in a block it
// goes, in bits 0-7, and what it is multiplied by, from bit 8 on. Runs can lead
// beyond 63, the end of a block always does.
type slots [256]uint32

func newSlots(quant *[64]uint16, shift int) (t slots) {
	side := 8 >> shift
	for k := range t {
		t[k] = spare
		if k > 63 {
			continue
		}
		if x, y := int(zigzag[k]&7), int(zigzag[k]>>3); x < side && y < side {
			t[k] = uint32(y*side+x) | uint32(quant[k])<<8
		}
	}
	return t
}

// A coding is what the coefficients of a component's blocks are decoded with.
type coding struct {
	block block // all zero between blocks
	slots slots
	pairs *[1 << pairBits]uint64
}

// put stores value v of coefficient k.
func (t *coding) put(k uint32, v int32) {
	s := t.slots[k&255]
	t.block[s&127] = v * int32(s>>8)
}

// block decodes a baseline block (T.81, F.2.2). last is the last coefficient that
// is not zero, in the order of the file.
func (b *bits) block(comp *component) (last int, err error) {
	diff, err := b.diff(comp.dc)
	if err != nil {
		return 0, err
	}
	comp.pred += diff
	t := &comp.coding
	t.put(0, comp.pred)
	for k := uint32(1); ; {
		if k = b.pairs(t, k); k < 64 {
			if k, err = b.single(comp.ac, t, k); err != nil {
				return 0, err
			}
		}
		switch {
		case k > endRun:
			return int(k) - endRun - 2, nil
		case k == 64:
			return 63, nil
		case k > 64:
			return 0, FormatError("a run of zeros beyond the block")
		}
	}
}

// pairs decodes coefficients from k on for as long as its table has them and the
// first of two is not the last of the block: what follows that is the next
// block's. It returns the first coefficient that it did not decode. All that it
// works on are two things, for want of registers.
func (b *bits) pairs(t *coding, k uint32) uint32 {
	for {
		b.fill()
		acc, n := b.acc, b.n
		for range 4 { // as many as there are bits for
			e := t.pairs[acc>>(64-pairBits)]
			first := k + uint32(e>>16&0xff)
			if first >= 63 {
				b.acc, b.n = acc, n
				return k
			}
			acc <<= e & 63
			n -= uint(e & 63)
			s := t.slots[first&255]
			t.block[s&127] = int32(int16(e>>32)) * int32(s>>8)
			s = t.slots[(k+uint32(e>>24&0xff))&255]
			t.block[s&127] = int32(int64(e)>>48) * int32(s>>8)
			k += uint32(e >> 8 & 0xff)
		}
		b.acc, b.n = acc, n
	}
}

// single decodes coefficient k, or the end of the block, and returns the one
// behind it.
func (b *bits) single(ac *huffman, t *coding, k uint32) (uint32, error) {
	if b.n < 32 {
		b.fill()
	}
	e := ac.lut[b.acc>>(64-lutBits)]
	run, size, l := e>>8&0xff, e>>16, e&31
	switch {
	case e == 0:
		val, ll, ok := ac.long(uint32(b.acc >> 48))
		if !ok {
			return 0, FormatError("bad huffman code")
		}
		run, size, l = uint32(val>>4), uint32(val&15), ll
		if size == 0 && run < 15 {
			run = endRun
		}
	case e&part == 0:
		b.acc <<= l
		b.n -= uint(l)
		t.put(k+run, int32(int16(e>>16)))
		return k + run + 1, nil
	}
	b.acc <<= l & 63
	v := extend(int32(b.acc>>1>>((63-size)&63)), size)
	b.acc <<= size & 63
	b.n -= uint(l + size)
	t.put(k+run, v)
	return k + run + 1, nil
}

// diff reads the difference of a DC coefficient from that before (T.81, F.2.2.1).
func (b *bits) diff(dc *huffman) (int32, error) {
	if b.n < 32 {
		b.fill()
	}
	e := dc.lut[b.acc>>(64-lutBits)]
	if e&part == 0 && e != 0 {
		b.acc <<= e & 31
		b.n -= uint(e & 31)
		return int32(int16(e >> 16)), nil
	}
	size, l := e>>16, e&31
	if e == 0 {
		val, ll, ok := dc.long(uint32(b.acc >> 48))
		if !ok || val > 16 {
			return 0, FormatError("bad huffman code")
		}
		size, l = uint32(val), ll
	}
	b.acc <<= l & 63
	v := extend(int32(b.acc>>1>>((63-size)&63)), size)
	b.acc <<= size & 63
	b.n -= uint(l + size)
	return v, nil
}
