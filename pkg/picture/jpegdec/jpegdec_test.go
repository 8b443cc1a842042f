package jpegdec_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/picture/jpegdec"
)

// corpus is the JPEG files of the standard library and of this tree.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{filepath.Join(strings.TrimSpace(string(root)), "src/image/testdata/*.jpeg"), "../testdata/*.jpeg"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %d files", pattern, err, len(names))
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.Base(name)] = b
		}
	}
	return out
}

// pattern is a picture with edges and texture.
func pattern(w, h int, ratio image.YCbCrSubsampleRatio) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), ratio)
	for i := range m.Y {
		x, y := i%m.YStride, i/m.YStride
		m.Y[i] = uint8(128 + 60*math.Sin(float64(x*y)/700) + 40*math.Sin(float64(x)/5))
		if x/20%3 == 0 {
			m.Y[i] ^= 0x55
		}
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = uint8(100+i%60), uint8(160-i%50)
	}
	return m
}

func encoded(t testing.TB, m image.Image, q int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: q}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// planesOf are the samples as the standard library decodes them, where it gives
// them as they are.
func planesOf(m image.Image) (out [][]uint8, stride []int) {
	switch m := m.(type) {
	case *image.Gray:
		return [][]uint8{m.Pix}, []int{m.Stride}
	case *image.YCbCr:
		return [][]uint8{m.Y, m.Cb, m.Cr}, []int{m.YStride, m.CStride, m.CStride}
	}
	return nil, nil
}

// compare reports how far p is from what the standard library makes, at most and
// at the mean.
func compare(p *jpegdec.Picture, m image.Image) (worst int, mean float64) {
	planes, stride := planesOf(m)
	n := 0
	for i, want := range planes {
		c := p.Planes[i]
		for y := range c.H {
			for x := range c.W {
				d := int(c.Pix[y*c.Stride+x]) - int(want[y*stride[i]+x])
				worst = max(worst, d, -d)
				mean += math.Abs(float64(d))
				n++
			}
		}
	}
	return worst, mean / float64(max(n, 1))
}

// The samples are those of the standard library, but for rounding.
func TestLikeTheStandardLibrary(t *testing.T) {
	files := corpus(t)
	for name, m := range map[string]image.Image{
		"4:2:0": pattern(123, 77, image.YCbCrSubsampleRatio420),
		"large": pattern(901, 603, image.YCbCrSubsampleRatio420),
		"gray":  &image.Gray{Pix: pattern(61, 43, 0).Y, Stride: 61, Rect: image.Rect(0, 0, 61, 43)},
		"pixel": image.NewGray(image.Rect(0, 0, 1, 1)),
	} {
		for _, q := range []int{5, 60, 100} {
			files[name+" at "+string(rune('0'+q/20))] = encoded(t, m, q)
		}
	}
	compared := 0
	for name, b := range files {
		want, wantErr := jpeg.Decode(bytes.NewReader(b))
		got, err := jpegdec.Decode(b, jpegdec.Options{})
		if (err != nil) != (wantErr != nil) {
			t.Errorf("%s: %v; the standard library: %v", name, err, wantErr)
			continue
		}
		if err != nil {
			continue
		}
		if got.Width != want.Bounds().Dx() || got.Height != want.Bounds().Dy() {
			t.Errorf("%s: %d x %d, want %v", name, got.Width, got.Height, want.Bounds())
		}
		if planes, _ := planesOf(want); planes != nil {
			compared++
			if worst, mean := compare(got, want); worst > 2 || mean > 0.1 {
				t.Errorf("%s: off by %d, %.3f at the mean", name, worst, mean)
			}
		}
	}
	if compared < 15 {
		t.Errorf("only %d files were compared", compared)
	}
}

// A smaller size is what the mean of the full samples is, near enough: no shift,
// no wrong brightness, no lost edge.
func TestSmaller(t *testing.T) {
	b := encoded(t, pattern(203, 149, image.YCbCrSubsampleRatio420), 95)
	full, err := jpegdec.Decode(b, jpegdec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for shift := 1; shift <= 3; shift++ {
		got, err := jpegdec.Decode(b, jpegdec.Options{Shift: func(*jpegdec.Picture, int, jpegdec.Component) int { return shift }})
		if err != nil {
			t.Fatal(err)
		}
		s := 1 << shift
		for i, c := range got.Planes {
			f := full.Planes[i]
			if c.W != (f.W+s-1)/s || c.FW != f.FW/float64(s) || c.Shift != shift {
				t.Errorf("1/%d: plane %d is %d wide of %d and covers %v", s, i, c.W, f.W, c.FW)
			}
			var off float64
			for y := range f.H / s {
				for x := range f.W / s {
					var sum int
					for j := range s * s {
						sum += int(f.Pix[(y*s+j/s)*f.Stride+x*s+j%s])
					}
					off += math.Abs(float64(c.Pix[y*c.Stride+x]) - float64(sum)/float64(s*s))
				}
			}
			if off /= float64(f.H / s * (f.W / s)); off > 6 {
				t.Errorf("1/%d: plane %d is off by %.2f at the mean", s, i, off)
			}
		}
	}
}

// Whatever is cut off is missed, wherever it is.
func TestTruncated(t *testing.T) {
	for name, b := range corpus(t) {
		if _, err := jpegdec.Decode(b, jpegdec.Options{}); err != nil {
			continue
		}
		for n := 0; n < len(b)-2; n += 1 + len(b)/200 {
			if _, err := jpegdec.Decode(b[:n], jpegdec.Options{}); err == nil {
				t.Fatalf("%s: %d of %d bytes are a picture", name, n, len(b))
			}
		}
	}
	b := encoded(t, pattern(90, 60, image.YCbCrSubsampleRatio420), 85)
	for n := len(b) / 4; n < len(b)-12; n++ {
		_, err := jpegdec.Decode(append(bytes.Clone(b[:n]), 0xff, 0xd9), jpegdec.Options{})
		if err == nil {
			t.Fatalf("cut at %d of %d and closed again, it is a picture", n, len(b))
		}
	}
}

func TestStop(t *testing.T) {
	stop := errors.New("stop")
	for name, b := range corpus(t) {
		n := 0
		_, err := jpegdec.Decode(b, jpegdec.Options{Stop: func() error {
			if n++; n == 3 {
				return stop
			}
			return nil
		}})
		if n >= 3 && !errors.Is(err, stop) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecode: nothing panics, no picture is larger than its header says, and
// what both read looks the same.
func FuzzDecode(f *testing.F) {
	for _, b := range corpus(f) {
		f.Add(b, uint8(0))
		f.Add(b, uint8(2))
	}
	f.Fuzz(func(t *testing.T, b []byte, shift uint8) {
		cfg, err := jpeg.DecodeConfig(bytes.NewReader(b))
		if err == nil && cfg.Width*cfg.Height > 1<<18 {
			return
		}
		small := func(p *jpegdec.Picture, _ int, _ jpegdec.Component) int {
			if p.Width*p.Height > 1<<18 {
				t.Skip("too large to try many of")
			}
			return int(shift % 4)
		}
		got, err := jpegdec.Decode(b, jpegdec.Options{Shift: small})
		if err != nil {
			return
		}
		for i, p := range got.Planes {
			if p.W < 1 || p.H < 1 || (p.H-1)*p.Stride+p.W > len(p.Pix) {
				t.Fatalf("plane %d: %+v", i, p)
			}
		}
		want, err := jpeg.Decode(bytes.NewReader(b))
		if err != nil || shift%4 != 0 {
			return
		}
		planes, stride := planesOf(want)
		for i := range planes {
			if p := got.Planes[i]; (p.H-1)*stride[i]+p.W > len(planes[i]) {
				t.Fatalf("plane %d is larger than the standard library's", i)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := encoded(b, pattern(4032, 3024, image.YCbCrSubsampleRatio420), 90)
	for shift := range 4 {
		b.Run(string(rune('0'+shift)), func(b *testing.B) {
			b.SetBytes(4032 * 3024)
			for b.Loop() {
				if _, err := jpegdec.Decode(data, jpegdec.Options{Shift: func(*jpegdec.Picture, int, jpegdec.Component) int { return shift }}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
