package main

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
)

// A plane is the brightness of a picture, 0 to 255.
type plane struct {
	v    []float64
	w, h int
}

// decodePlane decodes a JPEG's brightness.
func decodePlane(b []byte) (plane, error) {
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		return plane{}, err
	}
	gray := image.NewGray(m.Bounds())
	if y, ok := m.(*image.YCbCr); ok {
		for row := range y.Rect.Dy() {
			copy(gray.Pix[row*gray.Stride:(row+1)*gray.Stride], y.Y[row*y.YStride:])
		}
	} else {
		draw.Draw(gray, gray.Rect, m, m.Bounds().Min, draw.Src)
	}
	p := plane{make([]float64, len(gray.Pix)), gray.Rect.Dx(), gray.Rect.Dy()}
	for i, v := range gray.Pix {
		p.v[i] = float64(color.Gray{Y: v}.Y)
	}
	return p, nil
}

// shrink is a Lanczos filter with three lobes over all pixels, in floating point:
// the reference that made pictures are compared with.
func (p plane) shrink(w, h int) plane {
	mid := plane{make([]float64, w*p.h), w, p.h}
	across := lanczosWeights(p.w, w)
	for y := range p.h {
		for x, k := range across {
			mid.v[y*w+x] = k.sum(p.v[y*p.w:], 1)
		}
	}
	out := plane{make([]float64, w*h), w, h}
	for y, k := range lanczosWeights(p.h, h) {
		for x := range w {
			out.v[y*w+x] = max(0, min(255, k.sum(mid.v[x:], w)))
		}
	}
	return out
}

// A kernel is the weights of the source pixels from first on.
type kernel struct {
	first   int
	weights []float64
}

func (k kernel) sum(v []float64, step int) (sum float64) {
	for i, w := range k.weights {
		sum += w * v[(k.first+i)*step]
	}
	return sum
}

// lanczosWeights are those of m pixels made from n.
func lanczosWeights(n, m int) []kernel {
	all := make([]kernel, m)
	scale := float64(n) / float64(m)
	for i := range all {
		c := (float64(i)+0.5)*scale - 0.5
		from, to := max(0, int(math.Ceil(c-3*scale))), min(n-1, int(math.Floor(c+3*scale)))
		k, norm := kernel{first: from}, 0.0
		for j := from; j <= to; j++ {
			w := 1.0
			if x := (float64(j) - c) / scale; x != 0 {
				w = 3 * math.Sin(math.Pi*x) * math.Sin(math.Pi*x/3) / (math.Pi * math.Pi * x * x)
			}
			k.weights = append(k.weights, w)
			norm += w
		}
		for j := range k.weights {
			k.weights[j] /= norm
		}
		all[i] = k
	}
	return all
}

// ssim is the mean structural similarity over windows of 8 x 8, step 4 (Wang
// 2004); 1 is the same picture. Both have to be of one size.
func ssim(a, b plane) float64 {
	const c1, c2 = 6.5025, 58.5225
	var sum float64
	n := 0
	for y := 0; y+8 <= a.h; y += 4 {
		for x := 0; x+8 <= a.w; x += 4 {
			var sa, sb, saa, sbb, sab float64
			for j := range 8 {
				at := (y+j)*a.w + x
				for i, p := range a.v[at : at+8] {
					q := b.v[at+i]
					sa, sb, saa, sbb, sab = sa+p, sb+q, saa+p*p, sbb+q*q, sab+p*q
				}
			}
			ma, mb := sa/64, sb/64
			va, vb, cov := saa/64-ma*ma, sbb/64-mb*mb, sab/64-ma*mb
			sum += (2*ma*mb + c1) * (2*cov + c2) / ((ma*ma + mb*mb + c1) * (va + vb + c2))
			n++
		}
	}
	return sum / float64(n)
}
