// Package jpegdec reads JPEG, baseline and progressive, into planes, at full
// size or, faster, at a half, a quarter or an eighth of it. It is strict: a
// picture that is cut off or damaged is an error where other decoders would
// leave a part gray. It does not convert colors, and it reads no metadata but
// what tells the colors.
package jpegdec

import (
	"errors"
	"fmt"
)

// A FormatError says what is wrong with a file.
type FormatError string

func (e FormatError) Error() string { return "jpeg: " + string(e) }

// An UnsupportedError names a kind of JPEG that is not read here.
type UnsupportedError string

func (e UnsupportedError) Error() string { return "jpeg: unsupported: " + string(e) }

// ErrTruncated: the file ends before the picture does.
var ErrTruncated = errors.New("jpeg: the file ends too early")

// Options say how to decode. The zero value is full size.
type Options struct {
	// Shift makes component i 1/2^Shift as wide and high: 0 to 3. Of p there
	// is what stands before the frame, its size and how many components it has.
	Shift func(p *Picture, i int, c Component) int
	// Stop, if set, is asked once per row of blocks; its error ends the work
	// and is returned as it is.
	Stop func() error
}

// A Component is what the header says about one.
type Component struct {
	ID            byte
	FracW, FracH  float64 // samples per pixel of the picture, 1 or less
	Width, Height int     // in samples, at full size
}

// A Plane is a decoded component. Of its samples the picture covers FW x FH,
// which has a fraction where subsampling or Shift did not divide evenly.
type Plane struct {
	Component
	Shift  int
	Pix    []uint8
	Stride int
	W, H   int
	FW, FH float64
}

// A Picture is a decoded file.
type Picture struct {
	Width, Height int
	Planes        []Plane // 1, 3 or 4
	// Adobe is the color transform that an Adobe segment names, -1 without one:
	// 0 none (RGB, CMYK), 1 YCbCr, 2 YCCK.
	Adobe int
	JFIF  bool
	// Components is the number of Planes.
	Components int

	names string // of the components
}

// RGB tells that three components are red, green and blue, rather than YCbCr.
func (p *Picture) RGB() bool {
	return p.Components == 3 && !p.JFIF && (p.Adobe == 0 || p.Adobe < 0 && p.names == "RGB")
}

// component is one while it is decoded.
type component struct {
	Component
	h, v   int // sampling factors
	tq     uint8
	shift  int
	bw, bh int // blocks there are memory for, whole MCUs
	sw, sh int // blocks of a scan of this component alone
	pix    []uint8
	stride int
	coef   []int16 // progressive: 64 for each of bw*bh blocks, in natural order
	seen   bool    // baseline: a scan had it

	// Of the scan.
	dc, ac *huffman
	pred   int32
	quant  [64]uint16 // of the frame, fixed when the first scan comes
	coding coding     // baseline
	ready  bool
}

type decoder struct {
	data []byte
	pos  int
	o    Options

	pic         Picture
	progressive bool
	comps       []component
	hmax, vmax  int
	mx, my      int // MCUs
	quant       [4][64]uint16
	haveQuant   [4]bool
	huff        [2][4]*huffman // DC, AC
	restart     int            // MCUs between restart markers, 0 for none

	bits   bits
	eobrun int32
}

const (
	mSOF0 = 0xc0
	mSOF1 = 0xc1
	mSOF2 = 0xc2
	mDHT  = 0xc4
	mRST0 = 0xd0
	mSOI  = 0xd8
	mEOI  = 0xd9
	mSOS  = 0xda
	mDQT  = 0xdb
	mDNL  = 0xdc
	mDRI  = 0xdd
	mAPP0 = 0xe0
	mAPPE = 0xee
)

// Decode decodes a file that lies in memory. It allocates what the size in its
// header calls for: look at that first.
func Decode(data []byte, o Options) (*Picture, error) {
	d := &decoder{data: data, o: o}
	d.pic.Adobe = -1
	if len(data) < 4 || data[0] != 0xff || data[1] != mSOI {
		return nil, FormatError("no start of image")
	}
	d.pos = 2
	for {
		m, err := d.marker()
		if err != nil {
			return nil, err
		}
		if m == mEOI {
			break
		}
		if m == 0x01 || m >= mRST0 && m < mSOI {
			continue // stand-alone
		}
		if m == mSOI {
			return nil, FormatError("two starts of image")
		}
		b, err := d.segment()
		if err != nil {
			return nil, err
		}
		if err := d.read(m, b); err != nil {
			return nil, err
		}
	}
	return d.finish()
}

// marker finds the next marker. Bytes before it, which libjpeg passes over too,
// are skipped.
func (d *decoder) marker() (byte, error) {
	for ; d.pos+1 < len(d.data); d.pos++ {
		if c := d.data[d.pos+1]; d.data[d.pos] == 0xff && c != 0 && c != 0xff {
			d.pos += 2
			return c, nil
		}
	}
	return 0, ErrTruncated
}

// segment returns the body of a segment.
func (d *decoder) segment() ([]byte, error) {
	if d.pos+2 > len(d.data) {
		return nil, ErrTruncated
	}
	n := int(d.data[d.pos])<<8 | int(d.data[d.pos+1])
	if n < 2 {
		return nil, FormatError("short segment")
	}
	if d.pos+n > len(d.data) {
		return nil, ErrTruncated
	}
	b := d.data[d.pos+2 : d.pos+n]
	d.pos += n
	return b, nil
}

func (d *decoder) read(m byte, b []byte) error {
	switch {
	case m == mSOF0, m == mSOF1, m == mSOF2:
		d.progressive = m == mSOF2
		return d.frame(b)
	case m == mDHT:
		return d.tables(b)
	case m == mDQT:
		return d.quants(b)
	case m == mDRI:
		if len(b) != 2 {
			return FormatError("bad restart interval")
		}
		d.restart = int(b[0])<<8 | int(b[1])
	case m == mSOS:
		return d.scan(b)
	case m == mAPP0:
		d.pic.JFIF = d.pic.JFIF || len(b) >= 5 && string(b[:5]) == "JFIF\x00"
	case m == mAPPE:
		if len(b) >= 12 && string(b[:5]) == "Adobe" {
			d.pic.Adobe = int(b[11])
		}
	case m == mDNL, m >= 0xc3 && m <= 0xcf:
		return UnsupportedError(fmt.Sprintf("marker %#x", m))
	}
	return nil
}

func (d *decoder) quants(b []byte) error {
	for len(b) > 0 {
		wide, t := b[0]>>4, b[0]&15
		b = b[1:]
		if wide > 1 || t > 3 || len(b) < 64<<wide {
			return FormatError("bad quantization table")
		}
		for k := range 64 {
			if wide == 0 {
				d.quant[t][k] = uint16(b[k])
			} else {
				d.quant[t][k] = uint16(b[2*k])<<8 | uint16(b[2*k+1])
			}
		}
		d.haveQuant[t] = true
		b = b[64<<wide:]
	}
	return nil
}

func (d *decoder) frame(b []byte) error {
	if d.comps != nil {
		return FormatError("two frames")
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return FormatError("bad frame header")
	}
	if b[0] != 8 {
		return UnsupportedError(fmt.Sprintf("%d bits per sample", b[0]))
	}
	d.pic.Height, d.pic.Width = int(b[1])<<8|int(b[2]), int(b[3])<<8|int(b[4])
	n := int(b[5])
	if n != 1 && n != 3 && n != 4 {
		return UnsupportedError(fmt.Sprintf("%d components", n))
	}
	if d.pic.Width == 0 || d.pic.Height == 0 {
		return UnsupportedError("a size that comes later")
	}
	d.comps, d.pic.Components = make([]component, n), n
	for i := range d.comps {
		c := &d.comps[i]
		c.ID, c.h, c.v, c.tq = b[6+3*i], int(b[7+3*i]>>4), int(b[7+3*i]&15), b[8+3*i]
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.tq > 3 {
			return FormatError("bad component")
		}
		for _, other := range d.comps[:i] {
			if other.ID == c.ID {
				return FormatError("two components of one name")
			}
		}
		d.hmax, d.vmax = max(d.hmax, c.h), max(d.vmax, c.v)
		d.pic.names += string(rune(c.ID))
	}
	if n == 1 { // a scan of one component is never interleaved
		c := &d.comps[0]
		c.h, c.v, d.hmax, d.vmax = 1, 1, 1, 1
	}
	d.layout()
	return nil
}

// layout gives the components their memory.
func (d *decoder) layout() {
	w, h := d.pic.Width, d.pic.Height
	d.mx, d.my = (w+8*d.hmax-1)/(8*d.hmax), (h+8*d.vmax-1)/(8*d.vmax)
	for i := range d.comps {
		c := &d.comps[i]
		c.FracW, c.FracH = float64(c.h)/float64(d.hmax), float64(c.v)/float64(d.vmax)
		c.Width, c.Height = (w*c.h+d.hmax-1)/d.hmax, (h*c.v+d.vmax-1)/d.vmax
		c.sw, c.sh = (c.Width+7)/8, (c.Height+7)/8
		c.bw, c.bh = d.mx*c.h, d.my*c.v
		if d.o.Shift != nil {
			c.shift = min(max(d.o.Shift(&d.pic, i, c.Component), 0), 3)
		}
		side := 8 >> c.shift
		c.stride = c.bw * side
		c.pix = make([]uint8, c.stride*c.bh*side)
		if d.progressive {
			c.coef = make([]int16, 64*c.bw*c.bh)
		}
	}
}

// finish checks that there is a whole picture.
func (d *decoder) finish() (*Picture, error) {
	if d.comps == nil {
		return nil, FormatError("no frame")
	}
	for i := range d.comps {
		c := &d.comps[i]
		if !c.seen {
			return nil, FormatError("a component has no scan")
		}
		if d.progressive {
			if err := d.reconstruct(c); err != nil {
				return nil, err
			}
		}
		s := 1 << c.shift
		d.pic.Planes = append(d.pic.Planes, Plane{
			Component: c.Component, Shift: c.shift, Pix: c.pix, Stride: c.stride,
			W: (c.Width + s - 1) / s, H: (c.Height + s - 1) / s,
			FW: float64(d.pic.Width) * c.FracW / float64(s), FH: float64(d.pic.Height) * c.FracH / float64(s),
		})
	}
	return &d.pic, nil
}

func (d *decoder) stop() error {
	if d.o.Stop == nil {
		return nil
	}
	return d.o.Stop()
}
