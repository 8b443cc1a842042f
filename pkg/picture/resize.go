package picture

import (
	"context"
	"math"
)

// The filter is Lanczos with three lobes, in integers: weights have 14 bits,
// what lies between the horizontal and the vertical pass has 6 bits behind the
// point. A picture that shrinks to less than half is halved first, as often as
// at least 1.5 times the wanted size is left (measured: SSIM 0.99 and better
// against the filter over all pixels).
const (
	lobes      = 3
	weightBits = 14
	midBits    = 6
)

// levels returns how often a side of src samples may be halved before it is
// filtered to dst.
func levels(src, dst float64) int {
	n := 0
	for src/2 >= 1.5*dst {
		src /= 2
		n++
	}
	return n
}

// An axis says how samples along one side come from those of the source: sample i
// is the sum of w[i*taps+j] * src[start[i]+j].
type axis struct {
	start []int
	taps  int
	w     []int32
}

// newAxis maps the stretch [off, off+ext) of n source samples to m samples that
// cover fm of their grid (m, or less for chroma of an odd size).
func newAxis(n int, off, ext float64, m int, fm float64) axis {
	scale := ext / fm
	wide := max(scale, 1) // never less than the filter's own support
	taps := min(n, int(math.Ceil(2*lobes*wide))+1)
	a := axis{start: make([]int, m), taps: taps, w: make([]int32, m*taps)}
	f := make([]float64, taps)
	for i := range m {
		center := off + (float64(i)+0.5)*scale - 0.5
		first := int(math.Ceil(center - lobes*wide))
		last := int(math.Floor(center + lobes*wide))
		start := min(max(first, 0), n-taps)
		clear(f)
		for j := first; j <= last; j++ {
			// What lies beyond the edge counts as the edge.
			k := min(max(min(max(j, 0), n-1)-start, 0), taps-1)
			f[k] += lanczos((float64(j) - center) / wide)
		}
		a.start[i] = start
		quantize(a.w[i*taps:(i+1)*taps], f)
	}
	return a
}

func lanczos(x float64) float64 {
	if x == 0 {
		return 1
	}
	if math.Abs(x) >= lobes {
		return 0
	}
	x *= math.Pi
	return lobes * math.Sin(x) * math.Sin(x/lobes) / (x * x)
}

// quantize rounds the weights so that their sum stays exactly one: an even
// surface keeps its value.
func quantize(w []int32, f []float64) {
	var sum float64
	for _, v := range f {
		sum += v
	}
	rest, top := int32(1<<weightBits), 0
	for i, v := range f {
		w[i] = int32(math.Round(v / sum * (1 << weightBits)))
		rest -= w[i]
		if w[i] > w[top] {
			top = i
		}
	}
	w[top] += rest
}

// A window is the part of a picture that is wanted, as fractions of its sides.
type window struct{ x0, y0, x1, y1 float64 }

var whole = window{0, 0, 1, 1}

// resize returns the window of p in w x h samples that cover fw x fh of their
// grid. It looks at ctx once per row.
func (p plane) resize(ctx context.Context, win window, w, h int, fw, fh float64) (plane, error) {
	ax := newAxis(p.w, win.x0*p.fw, (win.x1-win.x0)*p.fw, w, fw)
	ay := newAxis(p.h, win.y0*p.fh, (win.y1-win.y0)*p.fh, h, fh)
	out := newPlane(w, h)
	out.fw, out.fh = fw, fh

	// Rows that went through the horizontal pass, as many as the vertical one
	// looks at together; row y is in ring[y % taps].
	ring := make([]int32, ay.taps*w)
	acc := make([]int32, w)
	done := 0
	for y := range h {
		if err := ctx.Err(); err != nil {
			return plane{}, err
		}
		from := ay.start[y]
		for done = max(done, from); done < from+ay.taps; done++ {
			k := done % ay.taps
			ax.horizontal(ring[k*w:(k+1)*w], p.row(done))
		}
		clear(acc)
		for j, wt := range ay.w[y*ay.taps : (y+1)*ay.taps] {
			if wt != 0 {
				k := (from + j) % ay.taps
				addRow(acc, ring[k*w:(k+1)*w], wt)
			}
		}
		finishRow(out.row(y), acc)
	}
	return out, nil
}

func (a axis) horizontal(dst []int32, src []uint8) {
	const round = 1 << (weightBits - midBits - 1)
	for i := range dst {
		w := a.w[i*a.taps : (i+1)*a.taps]
		s := src[a.start[i]:][:len(w)]
		sum := int32(round)
		for len(w) >= 4 && len(s) >= 4 {
			sum += w[0]*int32(s[0]) + w[1]*int32(s[1]) + w[2]*int32(s[2]) + w[3]*int32(s[3])
			w, s = w[4:], s[4:]
		}
		for j := range w {
			sum += w[j] * int32(s[j])
		}
		dst[i] = sum >> (weightBits - midBits)
	}
}

func addRow(acc, row []int32, w int32) {
	row = row[:len(acc)]
	for x := range acc {
		acc[x] += row[x] * w
	}
}

func finishRow(dst []uint8, acc []int32) {
	const shift = weightBits + midBits
	acc = acc[:len(dst)]
	for x := range dst {
		dst[x] = uint8(min(max((acc[x]+1<<(shift-1))>>shift, 0), 255))
	}
}

// A target is what a frame is resized to: w x h pixels of a window of it. With
// half chroma gets half the size each way.
type target struct {
	w, h int
	win  window
	half bool
}

// chroma is the size of chroma, and what of it the picture covers.
func (t target) chroma() (w, h int, fw, fh float64) {
	if !t.half {
		return t.w, t.h, float64(t.w), float64(t.h)
	}
	return (t.w + 1) / 2, (t.h + 1) / 2, float64(t.w) / 2, float64(t.h) / 2
}

// level is how often a plane that covers fw x fh samples may be halved first.
func (t target) level(fw, fh float64, chroma bool) int {
	dw, dh := float64(t.w), float64(t.h)
	if chroma {
		_, _, dw, dh = t.chroma()
	}
	return min(levels(fw*(t.win.x1-t.win.x0), dw), levels(fh*(t.win.y1-t.win.y0), dh))
}

// resize makes t of f.
func (f *frame) resize(ctx context.Context, t target) (*frame, error) {
	out := &frame{model: f.model, planes: make([]plane, len(f.planes))}
	for i := range f.planes {
		w, h, fw, fh := t.w, t.h, float64(t.w), float64(t.h)
		chroma := i > 0 && f.model == ycc
		if chroma {
			w, h, fw, fh = t.chroma()
		}
		ow, oh := f.own(i)
		var err error
		if out.planes[i], err = f.level(i, t.level(ow, oh, chroma)).resize(ctx, t.win, w, h, fw, fh); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *frame) orient(o int) *frame {
	if o <= 1 {
		return f
	}
	out := &frame{model: f.model, planes: make([]plane, len(f.planes))}
	for i, p := range f.planes {
		out.planes[i] = p.orient(o)
	}
	return out
}
