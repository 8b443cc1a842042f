package jpegdec

// A scan is what its header says.
type scan struct {
	comps  []*component
	ss, se int // coefficients, in zigzag order
	ah, al uint
}

func (d *decoder) scan(b []byte) error {
	s, err := d.scanHeader(b)
	if err != nil {
		return err
	}
	for _, c := range s.comps {
		if !c.ready {
			if !d.haveQuant[c.tq] {
				return FormatError("no quantization table")
			}
			c.quant = d.quant[c.tq]
			c.coding.slots = newSlots(&c.quant, c.shift)
			c.ready = true
		}
		c.seen = true
		if !d.progressive {
			c.coding.pairs = c.ac.makePairs()
		}
	}
	if len(s.comps) == 1 {
		err = d.alone(s)
	} else {
		err = d.interleaved(s)
	}
	d.pos = len(d.data) - len(d.bits.end())
	return err
}

func (d *decoder) scanHeader(b []byte) (*scan, error) {
	if d.comps == nil {
		return nil, FormatError("a scan before the frame")
	}
	if len(b) < 1 || b[0] < 1 || b[0] > 4 || len(b) != 4+2*int(b[0]) {
		return nil, FormatError("bad scan header")
	}
	n := int(b[0])
	s := &scan{ss: int(b[1+2*n]), se: int(b[2+2*n]), ah: uint(b[3+2*n] >> 4), al: uint(b[3+2*n] & 15)}
	blocks := 0
	for i := range n {
		c := d.byID(b[1+2*i])
		if c == nil {
			return nil, FormatError("a scan of an unknown component")
		}
		for _, other := range s.comps {
			if other == c {
				return nil, FormatError("a component twice in a scan")
			}
		}
		td, ta := b[2+2*i]>>4, b[2+2*i]&15
		if td > 3 || ta > 3 {
			return nil, FormatError("bad scan header")
		}
		c.dc, c.ac = d.huff[0][td], d.huff[1][ta]
		s.comps = append(s.comps, c)
		blocks += c.h * c.v
	}
	if n > 1 && blocks > 10 {
		return nil, FormatError("too many blocks in a unit")
	}
	return s, d.checkScan(s)
}

// checkScan looks at what the scan wants.
func (d *decoder) checkScan(s *scan) error {
	if !d.progressive {
		s.ss, s.se, s.ah, s.al = 0, 63, 0, 0
	}
	bad := s.ss > s.se || s.se > 63 || s.al > 13 || s.ah > 13 || s.ah > 0 && s.ah != s.al+1
	if d.progressive {
		bad = bad || (s.ss == 0) != (s.se == 0) || s.ss > 0 && len(s.comps) != 1
	}
	if bad {
		return FormatError("bad scan header")
	}
	for _, c := range s.comps {
		needDC, needAC := s.ss == 0 && s.ah == 0, s.se > 0
		if needDC && c.dc == nil || needAC && c.ac == nil {
			return FormatError("no huffman table")
		}
		if !d.progressive && c.seen {
			return FormatError("two scans of a component")
		}
	}
	return nil
}

func (d *decoder) byID(id byte) *component {
	for i := range d.comps {
		if d.comps[i].ID == id {
			return &d.comps[i]
		}
	}
	return nil
}

// begin starts a run of units between restart markers.
func (d *decoder) begin(s *scan) {
	d.bits.begin(d.data[d.pos:])
	d.eobrun = 0
	for _, c := range s.comps {
		c.pred = 0
	}
}

// next is called before unit n of a scan, with restarts.
func (d *decoder) next(s *scan, n int) error {
	if d.bits.over() {
		return ErrTruncated
	}
	d.pos = len(d.data) - len(d.bits.end())
	want := byte(mRST0 + (n/d.restart-1)&7)
	if d.pos+2 > len(d.data) {
		return ErrTruncated
	}
	if d.data[d.pos+1] != want {
		return FormatError("no restart marker where one should be")
	}
	d.pos += 2
	d.begin(s)
	return nil
}

// interleaved decodes a scan of several components.
func (d *decoder) interleaved(s *scan) error {
	d.begin(s)
	for my := range d.my {
		for mx := range d.mx {
			if n := my*d.mx + mx; d.restart > 0 && n > 0 && n%d.restart == 0 {
				if err := d.next(s, n); err != nil {
					return err
				}
			}
			for _, k := range s.comps {
				for by := my * k.v; by < (my+1)*k.v; by++ {
					for bx := mx * k.h; bx < (mx+1)*k.h; bx++ {
						if err := d.block(s, k, bx, by); err != nil {
							return err
						}
					}
				}
			}
		}
		if d.bits.over() {
			return ErrTruncated
		}
		if err := d.stop(); err != nil {
			return err
		}
	}
	return nil
}

// alone decodes a scan of one component, which has no blocks that only fill up
// its units.
func (d *decoder) alone(s *scan) error {
	d.begin(s)
	k := s.comps[0]
	for by := range k.sh {
		for bx := range k.sw {
			if n := by*k.sw + bx; d.restart > 0 && n > 0 && n%d.restart == 0 {
				if err := d.next(s, n); err != nil {
					return err
				}
			}
			if err := d.block(s, k, bx, by); err != nil {
				return err
			}
		}
		if d.bits.over() {
			return ErrTruncated
		}
		if err := d.stop(); err != nil {
			return err
		}
	}
	return nil
}

// block decodes one block of component k.
func (d *decoder) block(s *scan, k *component, bx, by int) error {
	if d.progressive {
		return d.refine(s, k, k.coef[64*(by*k.bw+bx):][:64])
	}
	last, err := d.bits.block(k)
	if err != nil {
		return err
	}
	side := 8 >> k.shift
	k.inverse(&k.coding.block, last, k.pix[(by*k.stride+bx)*side:])
	return nil
}
