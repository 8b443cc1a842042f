package picture

import (
	"image"
)

// A plane is one component of a picture, 8 bits a sample.
type plane struct {
	pix    []uint8
	stride int
	w, h   int
	// fw and fh are the part of the samples that the picture covers: half of an
	// odd width in subsampled chroma, a fraction after halving. Without them
	// chroma would drift against luma.
	fw, fh float64
}

func newPlane(w, h int) plane {
	return plane{make([]uint8, w*h), w, w, h, float64(w), float64(h)}
}

func (p plane) row(y int) []uint8 { return p.pix[y*p.stride : y*p.stride+p.w] }

// halve returns the plane at half the size, each sample the mean of four.
func (p plane) halve() plane {
	out := newPlane((p.w+1)/2, (p.h+1)/2)
	out.fw, out.fh = p.fw/2, p.fh/2
	for y := range out.h {
		a := p.row(2 * y)
		b := p.row(min(2*y+1, p.h-1))[:len(a)]
		dst := out.row(y)
		n := len(a) / 2
		for x := range n {
			dst[x] = uint8((int(a[2*x]) + int(a[2*x+1]) + int(b[2*x]) + int(b[2*x+1]) + 2) >> 2)
		}
		if n < len(dst) {
			dst[n] = uint8((int(a[2*n]) + int(b[2*n]) + 1) >> 1)
		}
	}
	return out
}

// orient returns the plane turned and mirrored as an EXIF orientation asks.
func (p plane) orient(o int) plane {
	if o >= 5 {
		p = p.transpose()
	}
	// After the transposition for 5 to 8: which axes are to be mirrored.
	flipX := o == 2 || o == 3 || o == 6 || o == 7
	flipY := o == 3 || o == 4 || o == 7 || o == 8
	if !flipX && !flipY {
		return p
	}
	out := newPlane(p.w, p.h)
	out.fw, out.fh = p.fw, p.fh
	for y := range p.h {
		sy := y
		if flipY {
			sy = p.h - 1 - y
		}
		src, dst := p.row(sy), out.row(y)
		if !flipX {
			copy(dst, src)
			continue
		}
		for x := range dst {
			dst[x] = src[len(src)-1-x]
		}
	}
	return out
}

func (p plane) transpose() plane {
	out := newPlane(p.h, p.w)
	out.fw, out.fh = p.fh, p.fw
	for y := range p.h {
		for x, v := range p.row(y) {
			out.pix[x*out.stride+y] = v
		}
	}
	return out
}

// model is what the planes of a frame are.
type model uint8

const (
	gray model = iota // Y
	ycc               // Y, Cb, Cr, as in JFIF
	rgba              // R, G, B, A, premultiplied
	rgb               // R, G, B
	cmyk              // C, M, Y, K, all inverted, as Adobe writes them
	ycck              // the same, the first three as Y, Cb, Cr
)

// A frame is a decoded picture in planes.
type frame struct {
	model  model
	planes []plane
	// shift[i] tells that plane i was decoded at 1/2^shift of its size; nil
	// where all have their own.
	shift []int
	// halved[i][j] is plane i at 1/2^(j+1) of what it was decoded at, made when
	// needed and kept, so that all sizes of a ladder share it.
	halved [][]plane
}

func (f *frame) size() (w, h int) { return f.planes[0].w, f.planes[0].h }

// own returns what of its samples plane i would cover at its own size.
func (f *frame) own(i int) (fw, fh float64) {
	p := f.planes[i]
	if f.shift == nil {
		return p.fw, p.fh
	}
	k := float64(int(1) << f.shift[i])
	return p.fw * k, p.fh * k
}

// level returns plane i halved n times from its own size, or as near to that as
// it was decoded.
func (f *frame) level(i, n int) plane {
	if f.shift != nil {
		n -= f.shift[i]
	}
	if n <= 0 {
		return f.planes[i]
	}
	if f.halved == nil {
		f.halved = make([][]plane, len(f.planes))
	}
	for len(f.halved[i]) < n {
		last := f.planes[i]
		if k := len(f.halved[i]); k > 0 {
			last = f.halved[i][k-1]
		}
		f.halved[i] = append(f.halved[i], last.halve())
	}
	return f.halved[i][n-1]
}

// frameOf splits a decoded image into planes. alpha says whether it may have
// transparent parts; where all turn out opaque the frame has none either.
func frameOf(m image.Image, alpha bool) *frame {
	switch m := m.(type) {
	case *image.YCbCr:
		return &frame{model: ycc, planes: yccPlanes(m)}
	case *image.Gray:
		b := m.Rect
		return &frame{model: gray, planes: []plane{{m.Pix, m.Stride, b.Dx(), b.Dy(), float64(b.Dx()), float64(b.Dy())}}}
	}
	if o, ok := m.(interface{ Opaque() bool }); ok && alpha && !o.Opaque() {
		return &frame{model: rgba, planes: rgbaPlanes(m)}
	}
	return &frame{model: ycc, planes: opaquePlanes(m)}
}

// subsampling returns how many luma samples share a chroma sample.
func subsampling(r image.YCbCrSubsampleRatio) (h, v int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// yccPlanes shares the samples of m.
func yccPlanes(m *image.YCbCr) []plane {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	sh, sv := subsampling(m.SubsampleRatio)
	cw, ch := (w+sh-1)/sh, (h+sv-1)/sv
	fw, fh := float64(w)/float64(sh), float64(h)/float64(sv)
	return []plane{
		{m.Y, m.YStride, w, h, float64(w), float64(h)},
		{m.Cb, m.CStride, cw, ch, fw, fh},
		{m.Cr, m.CStride, cw, ch, fw, fh},
	}
}
