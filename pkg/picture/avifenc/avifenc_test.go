//go:build nodynamic

package avifenc

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/gen2brain/avif"
)

func pattern(w, h int, alpha bool) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{uint8(4 * x), uint8(5 * y), uint8(128 + 60*math.Sin(float64(x+y)/9)), 255}
			if alpha && x < w/2 {
				c.A = 40
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// Another decoder than the encoder's own (dav1d) sees the same.
func TestEncode(t *testing.T) {
	opaque := pattern(61, 43, false)
	rgba := image.NewRGBA(image.Rect(0, 0, 80, 43))
	for y := range 43 {
		copy(rgba.Pix[y*rgba.Stride:], opaque.Pix[y*opaque.Stride:][:61*4])
	}
	for name, c := range map[string]struct {
		m   image.Image
		icc []byte
	}{
		"opaque":       {opaque, nil},
		"transparent":  {pattern(61, 43, true), nil},
		"with gaps":    {rgba.SubImage(image.Rect(0, 0, 61, 43)), nil},
		"one pixel":    {pattern(1, 1, false), nil},
		"profile":      {opaque, bytes.Repeat([]byte("profile "), 50)},
		"both of them": {pattern(61, 43, true), bytes.Repeat([]byte("profile "), 50)},
	} {
		for _, full := range []bool{false, true} {
			var b bytes.Buffer
			if err := Encode(&b, c.m, 90, full, c.icc); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !bytes.Contains(b.Bytes(), append([]byte("colrprof"), c.icc...)) && c.icc != nil {
				t.Errorf("%s: the profile is gone", name)
			}
			if want := []byte("nclx\x00\x01\x00\x0d\x00\x06\x80"); bytes.Contains(b.Bytes(), want) != (c.icc == nil) {
				t.Errorf("%s: it says of colors what is not so", name)
			}
			got, err := avif.Decode(&b)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if d := off(t, got, c.m); d > 4 {
				t.Errorf("%s, full chroma %v: %.1f off", name, full, d)
			}
		}
	}
}

// off is how far two pictures are from each other, with their alpha.
func off(t *testing.T, a, b image.Image) (sum float64) {
	t.Helper()
	r := b.Bounds()
	if a.Bounds() != r {
		t.Fatalf("%v became %v", r, a.Bounds())
	}
	for y := range r.Dy() {
		for x := range r.Dx() {
			ar, ag, ab, aa := a.At(x, y).RGBA()
			br, bg, bb, ba := b.At(x, y).RGBA()
			for _, d := range []float64{float64(ar) - float64(br), float64(ag) - float64(bg), float64(ab) - float64(bb), float64(aa) - float64(ba)} {
				sum += math.Abs(d) / 257 / 4
			}
		}
	}
	return sum / float64(r.Dx()*r.Dy())
}

func TestTooLarge(t *testing.T) {
	var b bytes.Buffer
	if err := Encode(&b, image.NewRGBA(image.Rect(0, 0, 4096, 1025)), 80, false, nil); err == nil || b.Len() > 0 {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
}

type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriterIsReported(t *testing.T) {
	if err := Encode(full{}, pattern(8, 8, false), 80, false, nil); !errors.Is(err, errFull) {
		t.Errorf("%v, want the writer's error", err)
	}
}

// A file of another shape than expected is an error, never a broken picture and
// never a panic.
func TestOtherShapes(t *testing.T) {
	var b bytes.Buffer
	if err := encode(&b, pattern(9, 9, true), 60, false); err != nil {
		t.Fatal(err)
	}
	icc := []byte("profile")
	for i := range b.Len() {
		if _, err := withColor(bytes.Clone(b.Bytes()[:i]), icc); err == nil && i < 200 {
			t.Errorf("%d bytes are enough", i)
		}
		changed := bytes.Clone(b.Bytes())
		changed[i] ^= 0xff
		_, _ = withColor(changed, icc) // what it says does not matter, that it returns does
	}
}
