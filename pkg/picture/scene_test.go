package picture_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math"
	"testing"
)

// scene is a picture with edges, gradients, fine texture and color.
func scene(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	seed := uint32(1)
	for y := range h {
		for x := range w {
			fx, fy := float64(x)/float64(w), float64(y)/float64(h)
			seed = seed*1664525 + 1013904223
			noise := float64(seed>>24)/255*10 - 5
			v := 120 + 70*math.Sin(fx*19+math.Sin(fy*13)*2) + 30*math.Sin(fx*fy*160) + noise
			if int(fx*12+fy*5)%4 == 0 {
				v = 235 - v
			}
			if d := math.Hypot(fx-0.3, fy-0.4); d < 0.12 {
				v = 250 - d*300
			}
			m.SetRGBA(x, y, color.RGBA{u8(v), u8(v*0.7 + fy*90), u8(230 - v*0.8 + fx*30), 255})
		}
	}
	return m
}

func u8(v float64) uint8 { return uint8(max(0, min(255, math.Round(v)))) }

func asJPEG(t testing.TB, m image.Image, q int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: q}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decoded(t testing.TB, b []byte) image.Image {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("decode what was made: %v", err)
	}
	return m
}

// channel returns red 0, green 1, blue 2 or brightness 3 as floats.
func channel(m image.Image, c int) ([]float64, int, int) {
	b := m.Bounds()
	pix, ok := m.(*image.RGBA)
	if !ok {
		pix = image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
		draw.Draw(pix, pix.Rect, m, b.Min, draw.Src)
	}
	out := make([]float64, b.Dx()*b.Dy())
	for i := range out {
		p := pix.Pix[4*i:]
		if out[i] = float64(p[c%3]); c == 3 {
			out[i] = 0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2])
		}
	}
	return out, b.Dx(), b.Dy()
}

// reference shrinks one channel with a float Lanczos3 over all source pixels.
func reference(src []float64, w, h, dw, dh int) []float64 {
	line := func(in []float64, n, step, m int, out []float64, ostep int) {
		scale := float64(n) / float64(m)
		for i := range m {
			c := (float64(i)+0.5)*scale - 0.5
			var sum, norm float64
			for j := int(math.Floor(c - 3*scale)); j <= int(math.Ceil(c+3*scale)); j++ {
				x := (float64(j) - c) / scale
				if math.Abs(x) >= 3 {
					continue
				}
				k := 1.0
				if x != 0 {
					k = 3 * math.Sin(math.Pi*x) * math.Sin(math.Pi*x/3) / (math.Pi * math.Pi * x * x)
				}
				sum += k * in[min(max(j, 0), n-1)*step]
				norm += k
			}
			out[i*ostep] = sum / norm
		}
	}
	mid := make([]float64, dw*h)
	for y := range h {
		line(src[y*w:], w, 1, dw, mid[y*dw:], 1)
	}
	out := make([]float64, dw*dh)
	for x := range dw {
		line(mid[x:], h, dw, dh, out[x:], dw)
	}
	for i, v := range out {
		out[i] = max(0, min(255, v))
	}
	return out
}

// ssim is the mean structural similarity over 8x8 windows, step 4 (Wang 2004).
func ssim(a, b []float64, w, h int) float64 {
	const c1, c2 = 6.5025, 58.5225
	var sum float64
	n := 0
	for y := 0; y+8 <= h; y += 4 {
		for x := 0; x+8 <= w; x += 4 {
			var sa, sb, saa, sbb, sab float64
			for j := range 8 {
				for i := range 8 {
					p, q := a[(y+j)*w+x+i], b[(y+j)*w+x+i]
					sa += p
					sb += q
					saa += p * p
					sbb += q * q
					sab += p * q
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
