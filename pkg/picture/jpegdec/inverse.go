package jpegdec

// inverse makes the samples of a block, (8 >> shift) squared of them, and clears
// it for the next.
func (k *component) inverse(c *block, last int, dst []uint8) {
	stride := k.stride
	switch k.shift {
	case 0:
		if last == 0 {
			flat(dst, stride, 8, level(c[0]))
			c[0] = 0
			return
		}
		if !fast8(c, dst, stride) {
			inverse8(c, dst, stride)
		}
		clear(c[:64])
	case 1:
		if last == 0 {
			flat(dst, stride, 4, level(c[0]))
			c[0] = 0
			return
		}
		if !fast4(c, dst, stride) {
			inverse4(c, dst, stride)
		}
		clear(c[:16])
	case 2:
		inverse2(c, dst, stride)
		clear(c[:4])
	case 3:
		dst[0] = level(c[0])
	}
}

// level is the sample of a block that has its mean alone.
func level(dc int32) uint8 { return clamp((int(dc)+4)>>3 + 128) }

func clamp(v int) uint8 {
	if uint(v) > 255 {
		return uint8(^(v >> 63)) // 0 below, 255 above
	}
	return uint8(v)
}

func flat(dst []uint8, stride, side int, v uint8) {
	for y := range side {
		row := dst[y*stride:][:side]
		for x := range row {
			row[x] = v
		}
	}
}

// Factors of the transform of Loeffler, Ligtenberg and Moschytz, as in libjpeg's
// jidctint.c, with 12 bits behind the point.
const (
	f0298 = 1223
	f0390 = 1598
	f0541 = 2217
	f0765 = 3135
	f0899 = 3686
	f1175 = 4816
	f1501 = 6149
	f1847 = 7568
	f1961 = 8035
	f2053 = 8410
	f2562 = 10498
	f3072 = 12586
	f1306 = 5352 // sqrt 2 cos pi/8
)

// inverse8 is the whole transform, first of the columns, then of the rows.
func inverse8(c *block, dst []uint8, stride int) {
	var t [64]int32
	for x := range 8 {
		s1, s2, s3, s4 := c[8+x], c[16+x], c[24+x], c[32+x]
		s5, s6, s7 := c[40+x], c[48+x], c[56+x]
		if s1|s2|s3|s4|s5|s6|s7 == 0 {
			v := c[x] << 2
			t[x], t[8+x], t[16+x], t[24+x], t[32+x], t[40+x], t[48+x], t[56+x] = v, v, v, v, v, v, v, v
			continue
		}
		x0, x1, x2, x3 := even(c[x], s2, s4, s6)
		t0, t1, t2, t3 := odd(s1, s3, s5, s7)
		x0, x1, x2, x3 = x0+512, x1+512, x2+512, x3+512
		t[x], t[56+x] = (x0+t3)>>10, (x0-t3)>>10
		t[8+x], t[48+x] = (x1+t2)>>10, (x1-t2)>>10
		t[16+x], t[40+x] = (x2+t1)>>10, (x2-t1)>>10
		t[24+x], t[32+x] = (x3+t0)>>10, (x3-t0)>>10
	}
	const round = 1<<16 + 128<<17
	for y := range 8 {
		r := t[8*y:][:8]
		x0, x1, x2, x3 := even(r[0], r[2], r[4], r[6])
		t0, t1, t2, t3 := odd(r[1], r[3], r[5], r[7])
		x0, x1, x2, x3 = x0+round, x1+round, x2+round, x3+round
		o := dst[y*stride:][:8]
		o[0], o[7] = clamp32((x0+t3)>>17), clamp32((x0-t3)>>17)
		o[1], o[6] = clamp32((x1+t2)>>17), clamp32((x1-t2)>>17)
		o[2], o[5] = clamp32((x2+t1)>>17), clamp32((x2-t1)>>17)
		o[3], o[4] = clamp32((x3+t0)>>17), clamp32((x3-t0)>>17)
	}
}

func clamp32(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^(v >> 31))
	}
	return uint8(v)
}

func even(s0, s2, s4, s6 int32) (x0, x1, x2, x3 int32) {
	p := (s2 + s6) * f0541
	t2, t3 := p-s6*f1847, p+s2*f0765
	t0, t1 := (s0+s4)<<12, (s0-s4)<<12
	return t0 + t3, t1 + t2, t1 - t2, t0 - t3
}

func odd(s1, s3, s5, s7 int32) (t0, t1, t2, t3 int32) {
	p3, p4, p1, p2 := s7+s3, s5+s1, s7+s1, s5+s3
	p5 := (p3 + p4) * f1175
	p1 = p5 - p1*f0899
	p2 = p5 - p2*f2562
	p3 *= -f1961
	p4 *= -f0390
	return s7*f0298 + p1 + p3, s5*f2053 + p2 + p4, s3*f3072 + p2 + p3, s1*f1501 + p1 + p4
}

// inverse4 makes 4 x 4 samples of the 4 x 4 lowest coefficients.
func inverse4(c *block, dst []uint8, stride int) {
	var t [16]int32
	for x := range 4 {
		s0, s1, s2, s3 := c[x], c[4+x], c[8+x], c[12+x]
		e0, e1 := (s0+s2)<<12+256, (s0-s2)<<12+256
		o0, o1 := s1*f1306+s3*f0541, s1*f0541-s3*f1306
		t[x], t[12+x] = (e0+o0)>>9, (e0-o0)>>9
		t[4+x], t[8+x] = (e1+o1)>>9, (e1-o1)>>9
	}
	const round = 1<<17 + 128<<18
	for y := range 4 {
		r := t[4*y:][:4]
		e0, e1 := (r[0]+r[2])<<12+round, (r[0]-r[2])<<12+round
		o0, o1 := r[1]*f1306+r[3]*f0541, r[1]*f0541-r[3]*f1306
		o := dst[y*stride:][:4]
		o[0], o[3] = clamp32((e0+o0)>>18), clamp32((e0-o0)>>18)
		o[1], o[2] = clamp32((e1+o1)>>18), clamp32((e1-o1)>>18)
	}
}

// inverse2 makes 2 x 2 samples of the 2 x 2 lowest coefficients.
func inverse2(c *block, dst []uint8, stride int) {
	a, b, d, e := int(c[0]), int(c[1]), int(c[2]), int(c[3])
	const round = 4 + 128<<3
	top, bottom := dst[:2], dst[stride:][:2]
	top[0], top[1] = clamp((a+b+d+e+round)>>3), clamp((a-b+d-e+round)>>3)
	bottom[0], bottom[1] = clamp((a+b-d-e+round)>>3), clamp((a-b-d+e+round)>>3)
}
