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

// places[shift] leads from the order of the file to the place in a block. Runs
// can lead beyond 63, the end of a block always does.
var places = func() (t [4][256]uint8) {
	for shift := range t {
		side := 8 >> shift
		for k := range t[shift] {
			t[shift][k] = spare
			if k > 63 {
				continue
			}
			if x, y := int(zigzag[k]&7), int(zigzag[k]>>3); x < side && y < side {
				t[shift][k] = uint8(y*side + x)
			}
		}
	}
	return t
}()

// block decodes a baseline block (T.81, F.2.2) into c, which is all zero. last
// is the last coefficient that is not zero, in the order of the file.
func (b *bits) block(c *block, comp *component) (last int, err error) {
	diff, err := b.diff(comp.dc)
	if err != nil {
		return 0, err
	}
	comp.pred += diff
	c[0] = comp.pred * comp.quant[0]

	place, quant, ac := &places[comp.shift&3], &comp.quant, comp.ac
	acc, n := b.acc, b.n
	k := uint32(1)
	for k < 64 {
		if n < 32 {
			b.acc, b.n = acc, n
			b.fill()
			acc, n = b.acc, b.n
		}
		e := ac.lut[acc>>(64-lutBits)]
		if e&part == 0 && e != 0 {
			k += e >> 8 & 0xff
			acc <<= e & 31
			n -= uint(e & 31)
			c[place[uint8(k)]&127] = int32(int16(e>>16)) * quant[k&63]
			k++
			continue
		}
		run, size, l := e>>8&0xff, e>>16, e&31
		if e == 0 {
			val, ll, ok := ac.long(uint32(acc >> 48))
			if !ok {
				return 0, FormatError("bad huffman code")
			}
			run, size, l = uint32(val>>4), uint32(val&15), ll
			if size == 0 && run < 15 {
				run = endRun
			}
		}
		acc <<= l & 63
		v := extend(int32(acc>>1>>((63-size)&63)), size)
		acc <<= size & 63
		n -= uint(l + size)
		k += run
		c[place[uint8(k)]&127] = v * quant[k&63]
		k++
	}
	b.acc, b.n = acc, n
	switch {
	case k > endRun:
		return int(k) - endRun - 2, nil
	case k == 64:
		return 63, nil
	}
	return 0, FormatError("a run of zeros beyond the block")
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
