package jpegdec

// refine decodes what a scan of a progressive file says about a block (T.81,
// annex G).
func (d *decoder) refine(s *scan, k *component, c []int16) error {
	switch {
	case s.ss == 0 && s.ah == 0:
		diff, err := d.bits.diff(k.dc)
		if err != nil {
			return err
		}
		k.pred += diff
		c[0] = int16(k.pred << s.al)
		return nil
	case s.ss == 0:
		if d.bits.take(1) != 0 {
			c[0] |= 1 << s.al
		}
		return nil
	case s.ah == 0:
		return d.firstAC(s, k.ac, c)
	}
	return d.refineAC(s, k.ac, c)
}

// firstAC is the first scan over coefficients (T.81, G.1.2.2).
func (d *decoder) firstAC(s *scan, ac *huffman, c []int16) error {
	if d.eobrun > 0 {
		d.eobrun--
		return nil
	}
	b := &d.bits
	for k := s.ss; k <= s.se; {
		val, err := b.value(ac)
		if err != nil {
			return err
		}
		run, size := int(val>>4), uint(val&15)
		if size == 0 {
			if run < 15 {
				d.eobrun = 1<<run - 1 + int32(b.take(uint(run)))
				return nil
			}
			k += 16
			continue
		}
		k += run
		if k > s.se {
			return FormatError("a run of zeros beyond the block")
		}
		c[zigzag[k&63]] = int16(extend(int32(b.take(size)), uint32(size)) << s.al)
		k++
	}
	return nil
}

// refineAC adds a bit to coefficients (T.81, G.1.2.3).
func (d *decoder) refineAC(s *scan, ac *huffman, c []int16) error {
	b := &d.bits
	bit := int16(1) << s.al
	k := s.ss
	if d.eobrun == 0 {
		for k <= s.se {
			val, err := b.value(ac)
			if err != nil {
				return err
			}
			run, size := int(val>>4), val&15
			add := int16(0)
			switch {
			case size == 1:
				add = -bit
				if b.take(1) != 0 {
					add = bit
				}
			case size != 0:
				return FormatError("bad refinement")
			case run < 15:
				d.eobrun = 1<<run + int32(b.take(uint(run)))
			}
			if d.eobrun > 0 {
				break
			}
			if k = b.correct(c, k, s.se, run, bit); k > s.se {
				if add != 0 {
					return FormatError("a run of zeros beyond the block")
				}
				break
			}
			if add != 0 {
				c[zigzag[k&63]] = add
			}
			k++
		}
	}
	if d.eobrun > 0 {
		d.eobrun--
		b.correct(c, k, s.se, 64, bit)
	}
	return nil
}

// correct passes over run zeros from k on and reads a bit for each coefficient
// between them that is none. It returns where it stopped.
func (b *bits) correct(c []int16, k, se, run int, bit int16) int {
	for ; k <= se; k++ {
		v := &c[zigzag[k&63]]
		if *v == 0 {
			if run == 0 {
				break
			}
			run--
			continue
		}
		if b.take(1) == 0 {
			continue
		}
		if *v > 0 {
			*v += bit
		} else {
			*v -= bit
		}
	}
	return k
}

// reconstruct makes the samples of a progressive component.
func (d *decoder) reconstruct(k *component) error {
	var c block
	side := 8 >> k.shift
	var quant [64]int32 // in natural order
	for i, q := range k.quant {
		quant[zigzag[i]] = int32(q)
	}
	for by := range k.bh {
		if err := d.stop(); err != nil {
			return err
		}
		for bx := range k.bw {
			co := k.coef[64*(by*k.bw+bx):][:64]
			last := 0
			for y := range side {
				for x := range side {
					v := int32(co[8*y+x]) * quant[8*y+x]
					c[y*side+x] = v
					if v != 0 {
						last = y*side + x
					}
				}
			}
			k.inverse(&c, last, k.pix[(by*k.stride+bx)*side:])
		}
	}
	k.coef = nil
	return nil
}
