package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Markers of JPEG, ITU-T T.81 table B.1.
const (
	mSOF0 = 0xc0 // baseline
	mSOF1 = 0xc1 // extended sequential
	mSOF2 = 0xc2 // progressive
	mDHT  = 0xc4
	mDAC  = 0xcc
	mRST0 = 0xd0
	mSOI  = 0xd8
	mEOI  = 0xd9
	mSOS  = 0xda
	mAPP0 = 0xe0
	mAPP1 = 0xe1
	mAPP2 = 0xe2
	mAPPE = 0xee
	mAPPF = 0xef
	mCOM  = 0xfe
)

const exifMagic = "Exif\x00\x00"

// maxSegments bounds the headers of a JPEG. Real ones have up to a few hundred
// (an ICC profile or extended XMP in pieces).
const maxSegments = 5000

// marker reads the next marker, skipping fill bytes.
func (s *scanner) marker() (byte, error) {
	b, err := s.next(2)
	if err != nil {
		return 0, err
	}
	if b[0] != 0xff {
		return 0, errors.New("no marker where one should be")
	}
	m := b[1]
	for m == 0xff {
		b, err := s.next(1)
		if err != nil {
			return 0, err
		}
		m = b[0]
	}
	return m, nil
}

// length reads the length of a segment, without the two bytes of itself.
func (s *scanner) length() (int64, error) {
	b, err := s.next(2)
	if err != nil {
		return 0, err
	}
	n := int64(binary.BigEndian.Uint16(b)) - 2
	if n < 0 {
		return 0, errors.New("impossible segment length")
	}
	return n, nil
}

// inspectJPEG reads segments up to the first scan.
func inspectJPEG(s *scanner, info *Info) error {
	if err := s.skip(2); err != nil {
		return err
	}
	for range maxSegments {
		m, err := s.marker()
		if err != nil {
			return err
		}
		if m == 0x01 || m >= mRST0 && m < mSOI {
			continue // stand-alone
		}
		if m == mEOI || m == mSOI {
			return errors.New("no pixels")
		}
		n, err := s.length()
		if err != nil {
			return err
		}
		switch {
		case m == mSOS:
			if info.Width == 0 {
				return errors.New("pixels before their size")
			}
			return nil
		case m >= mSOF0 && m <= 0xcf && m != mDHT && m != 0xc8 && m != mDAC:
			if info.Width != 0 {
				return errors.New("two sizes")
			}
			b, err := s.take(n)
			if err != nil {
				return err
			}
			if err := jpegSize(m, b, info); err != nil {
				return err
			}
		case m == mAPP1 && info.Orientation == 1:
			b, err := s.take(n)
			if err != nil {
				return err
			}
			if has(b, exifMagic) {
				info.Orientation = orientationOf(b[len(exifMagic):])
			}
		default:
			if err := s.skip(n); err != nil {
				return err
			}
		}
	}
	return errors.New("too many segments")
}

// jpegSize reads a start-of-frame segment.
func jpegSize(m byte, b []byte, info *Info) error {
	if m > mSOF2 {
		return fmt.Errorf("%w: a JPEG with lossless, hierarchical or arithmetic coding", ErrFormat)
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return errors.New("bad frame header")
	}
	if b[0] != 8 {
		return fmt.Errorf("%w: a JPEG with %d bits per sample", ErrFormat, b[0])
	}
	info.Height, info.Width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	info.Progressive = m == mSOF2
	info.comps = int(b[5])
	if info.comps != 1 && info.comps != 3 && info.comps != 4 {
		return fmt.Errorf("%w: a JPEG with %d components", ErrFormat, info.comps)
	}
	var hmax, vmax int
	for i := range info.comps {
		info.ids[i] = b[6+3*i]
		hv := b[7+3*i]
		h, v := int(hv>>4), int(hv&15)
		if h < 1 || h > 4 || v < 1 || v > 4 {
			return errors.New("bad sampling factor")
		}
		hmax, vmax = max(hmax, h), max(vmax, v)
	}
	for i := range info.comps {
		hv := b[7+3*i]
		info.samples += (4*int(hv>>4)*int(hv&15) + hmax*vmax - 1) / (hmax * vmax)
	}
	return nil
}

const (
	// maxScanned bounds scans times pixels: a scan of a few bytes passes over
	// all of them, and the decoder does not look at its deadline meanwhile.
	maxScanned = 1_500_000_000
	// fewScans are allowed at any size. Encoders make about ten.
	fewScans = 20
)

// checkScans refuses a progressive JPEG with more scans than limit, because each
// costs a pass over all pixels, however few bytes it has; and one whose scans do
// not add up to the whole picture, because it was cut off and closed again. It
// passes over the entropy-coded bytes without decoding them.
func checkScans(src Source, info Info, limit int) error {
	s := newScanner(src)
	if err := s.skip(2); err != nil {
		return s.classify(JPEG, err)
	}
	limit = min(limit, max(fewScans, int(maxScanned/info.Pixels())))
	var p precision
	for scans, n := 0, 0; n < maxSegments+limit; n++ {
		m, err := s.marker()
		if err != nil {
			return s.classify(JPEG, err)
		}
		if m == mEOI {
			if !p.full(info.comps) {
				return fmt.Errorf("%w: scans of the JPEG are missing", ErrBroken)
			}
			return nil
		}
		if m == 0x01 || m >= mRST0 && m <= mSOI {
			continue
		}
		if m == mSOS {
			if scans++; scans > limit {
				return fmt.Errorf("%w: more than %d scans", ErrTooLarge, limit)
			}
		}
		if err := s.passSegment(m, info, &p); err != nil {
			return s.classify(JPEG, err)
		}
	}
	return fmt.Errorf("%w: too many segments", ErrBroken)
}

// passSegment passes over a segment and the entropy-coded bytes behind it.
func (s *scanner) passSegment(m byte, info Info, p *precision) error {
	size, err := s.length()
	if err != nil {
		return err
	}
	if m != mSOS {
		return s.skip(size)
	}
	b, err := s.take(size)
	if err != nil {
		return err
	}
	p.scan(info.ids[:info.comps], b)
	return s.skipEntropy()
}

// precision tells how exactly each coefficient of each component is known: 0 not
// at all, else one more than the number of low bits that are missing still.
type precision [4][64]uint8

// scan notes what a scan with the header b adds (T.81, B.2.3).
func (p *precision) scan(ids, b []byte) {
	if len(b) < 1 || len(b) != 4+2*int(b[0]) {
		return // the decoder says what is wrong
	}
	tail := b[len(b)-3:]
	for i, id := range ids {
		for c := range int(b[0]) {
			if b[1+2*c] != id {
				continue
			}
			for k := int(tail[0]); k <= min(int(tail[1]), 63); k++ {
				p[i][k] = 1 + tail[2]&15
			}
		}
	}
}

// full reports that every coefficient of comps components is known exactly.
func (p *precision) full(comps int) bool {
	for _, c := range p[:comps] {
		for _, v := range c {
			if v != 1 {
				return false
			}
		}
	}
	return true
}

// skipEntropy stops before the next marker that is no restart.
func (s *scanner) skipEntropy() error {
	for {
		b, err := s.Peek(s.Buffered())
		if err != nil {
			return err
		}
		i := bytes.IndexByte(b, 0xff)
		if i < 0 {
			if err := s.skip(int64(len(b))); err != nil {
				return err
			}
			if _, err := s.Peek(1); err != nil {
				return err
			}
			continue
		}
		if err := s.skip(int64(i)); err != nil {
			return err
		}
		b, err = s.Peek(2)
		if err != nil {
			return err
		}
		switch c := b[1]; {
		case c == 0xff:
			err = s.skip(1)
		case c == 0 || c >= mRST0 && c < mSOI:
			err = s.skip(2)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// trimExif drops the magic that some WebP writers put before the TIFF header.
func trimExif(b []byte) []byte { return bytes.TrimPrefix(b, []byte(exifMagic)) }

// orientationOf reads the orientation from EXIF, which is a TIFF file; 1 where
// there is none or it makes no sense. It looks at the first directory only.
func orientationOf(b []byte) int {
	var order binary.ByteOrder
	switch {
	case has(b, "II*\x00"):
		order = binary.LittleEndian
	case has(b, "MM\x00*"):
		order = binary.BigEndian
	default:
		return 1
	}
	if len(b) < 8 {
		return 1
	}
	off := int64(order.Uint32(b[4:]))
	if off+2 > int64(len(b)) {
		return 1
	}
	dir := b[off:]
	n := int(order.Uint16(dir))
	for dir = dir[2:]; n > 0 && len(dir) >= 12; n, dir = n-1, dir[12:] {
		// Tag, type SHORT, count 1, value.
		if order.Uint16(dir) == 0x0112 && order.Uint16(dir[2:]) == 3 && order.Uint32(dir[4:]) == 1 {
			if o := int(order.Uint16(dir[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
	}
	return 1
}
