package picture

import (
	"image"
	"image/color"
	"image/draw"
	"math"
)

// rows calls fn with each row of m as non-premultiplied or premultiplied RGBA
// bytes (into), converting a band at a time where m is of another kind.
func rows(m image.Image, fn func(y int, pix []uint8)) {
	b := m.Bounds()
	if m, ok := m.(*image.RGBA); ok {
		for y := range b.Dy() {
			o := m.PixOffset(b.Min.X, b.Min.Y+y)
			fn(y, m.Pix[o:o+4*b.Dx()])
		}
		return
	}
	const band = 16
	buf := image.NewRGBA(image.Rect(0, 0, b.Dx(), band))
	for y0 := 0; y0 < b.Dy(); y0 += band {
		n := min(band, b.Dy()-y0)
		draw.Draw(buf, image.Rect(0, 0, b.Dx(), n), m, b.Min.Add(image.Pt(0, y0)), draw.Src)
		for y := range n {
			fn(y0+y, buf.Pix[y*buf.Stride:y*buf.Stride+4*b.Dx()])
		}
	}
}

// rgbaPlanes splits m into premultiplied planes.
func rgbaPlanes(m image.Image) []plane {
	b := m.Bounds()
	p := make([]plane, 4)
	for i := range p {
		p[i] = newPlane(b.Dx(), b.Dy())
	}
	rows(m, func(y int, pix []uint8) {
		r, g, bl, a := p[0].row(y), p[1].row(y), p[2].row(y), p[3].row(y)
		for x := range r {
			s := pix[4*x : 4*x+4 : 4*x+4]
			r[x], g[x], bl[x], a[x] = s[0], s[1], s[2], s[3]
		}
	})
	return p
}

// opaquePlanes converts m, which has no transparent parts, to YCbCr.
func opaquePlanes(m image.Image) []plane {
	b := m.Bounds()
	p := []plane{newPlane(b.Dx(), b.Dy()), newPlane(b.Dx(), b.Dy()), newPlane(b.Dx(), b.Dy())}
	rows(m, func(y int, pix []uint8) {
		ys, cb, cr := p[0].row(y), p[1].row(y), p[2].row(y)
		for x := range ys {
			s := pix[4*x : 4*x+4 : 4*x+4]
			ys[x], cb[x], cr[x] = color.RGBToYCbCr(s[0], s[1], s[2])
		}
	})
	return p
}

// expand stretches VP8's video range, luma 16 to 235 and chroma 16 to 240, to
// the full range of JFIF, in place. The decoder gives samples as they are
// stored.
func expand(m *image.YCbCr) {
	var luma, chroma [256]uint8
	for i := range 256 {
		luma[i] = clamp(int(math.Round(float64(i-16) * 255 / 219)))
		chroma[i] = clamp(int(math.Round(128 + float64(i-128)*255/224)))
	}
	for i, v := range m.Y {
		m.Y[i] = luma[v]
	}
	for _, p := range [][]uint8{m.Cb, m.Cr} {
		for i, v := range p {
			p[i] = chroma[v]
		}
	}
}

func clamp(v int) uint8 { return uint8(min(max(v, 0), 255)) }

// plain returns a frame of a color model that only decoders give as YCbCr, with
// chroma of half the size where half is true.
func (f *frame) plain(half bool) *frame {
	if f.model != rgb && f.model != cmyk && f.model != ycck {
		return f
	}
	w, h := f.size()
	out := &frame{model: ycc, planes: []plane{newPlane(w, h), newPlane(w, h), newPlane(w, h)}}
	for y := range h {
		a, b, c := f.planes[0].row(y), f.planes[1].row(y), f.planes[2].row(y)
		ys, cb, cr := out.planes[0].row(y), out.planes[1].row(y), out.planes[2].row(y)
		for x := range ys {
			r, g, bl := a[x], b[x], c[x]
			if f.model == ycck {
				r, g, bl = color.YCbCrToRGB(r, g, bl)
			}
			if f.model != rgb {
				k := uint16(f.planes[3].row(y)[x])
				r, g, bl = uint8((uint16(r)*k+127)/255), uint8((uint16(g)*k+127)/255), uint8((uint16(bl)*k+127)/255)
			}
			ys[x], cb[x], cr[x] = color.RGBToYCbCr(r, g, bl)
		}
	}
	if half {
		out.planes[1], out.planes[2] = out.planes[1].halve(), out.planes[2].halve()
	}
	return out
}

// flatten puts an rgba frame on white and returns it as YCbCr.
func (f *frame) flatten() *frame {
	if f.model != rgba {
		return f
	}
	w, h := f.size()
	out := &frame{model: ycc, planes: []plane{newPlane(w, h), newPlane(w, h), newPlane(w, h)}}
	for y := range h {
		r, g, b, a := f.planes[0].row(y), f.planes[1].row(y), f.planes[2].row(y), f.planes[3].row(y)
		ys, cb, cr := out.planes[0].row(y), out.planes[1].row(y), out.planes[2].row(y)
		for x := range ys {
			white := 255 - int(a[x])
			// The filter may leave a color a little above its alpha.
			ys[x], cb[x], cr[x] = color.RGBToYCbCr(clamp(int(r[x])+white), clamp(int(g[x])+white), clamp(int(b[x])+white))
		}
	}
	return out
}

// image returns f for an encoder. It shares the samples where it can.
func (f *frame) image() image.Image {
	w, h := f.size()
	rect := image.Rect(0, 0, w, h)
	switch f.model {
	case gray:
		return &image.Gray{Pix: f.planes[0].pix, Stride: f.planes[0].stride, Rect: rect}
	case ycc:
		y, cb, cr := f.planes[0], f.planes[1], f.planes[2]
		ratio := image.YCbCrSubsampleRatio444
		if cb.w < y.w || cb.h < y.h || cb.fw < y.fw {
			ratio = image.YCbCrSubsampleRatio420
		}
		return &image.YCbCr{Y: y.pix, Cb: cb.pix, Cr: cr.pix, YStride: y.stride, CStride: cb.stride, SubsampleRatio: ratio, Rect: rect}
	}
	m := image.NewNRGBA(rect)
	for y := range h {
		r, g, b, a := f.planes[0].row(y), f.planes[1].row(y), f.planes[2].row(y), f.planes[3].row(y)
		dst := m.Pix[y*m.Stride : y*m.Stride+4*w]
		for x := range r {
			if al := int(a[x]); al > 0 {
				d := dst[4*x : 4*x+4 : 4*x+4]
				d[0] = clamp((int(r[x])*255 + al/2) / al)
				d[1] = clamp((int(g[x])*255 + al/2) / al)
				d[2] = clamp((int(b[x])*255 + al/2) / al)
				d[3] = uint8(al)
			}
		}
	}
	return m
}

// rgbImage returns an opaque frame as RGBA, for PNG.
func (f *frame) rgbImage() image.Image {
	m := f.image()
	if _, ok := m.(*image.YCbCr); !ok {
		return m
	}
	out := image.NewRGBA(m.Bounds())
	draw.Draw(out, out.Rect, m, image.Point{}, draw.Src)
	return out
}
