package webpenc

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"testing"

	"golang.org/x/image/webp"
)

func TestEncode(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 61, 43))
	for y := range 43 {
		for x := range 61 {
			m.SetNRGBA(x, y, color.NRGBA{uint8(4 * x), uint8(5 * y), uint8(128 + 60*math.Sin(float64(x+y)/9)), 255})
		}
	}
	for _, alpha := range []bool{false, true} {
		if alpha {
			for i := 3; i < len(m.Pix)/2; i += 4 {
				m.Pix[i] = 40
			}
		}
		var b bytes.Buffer
		if err := Encode(&b, m, 90, []byte("a profile")); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b.Bytes(), []byte("a profile")) {
			t.Error("the profile is gone")
		}
		// Another decoder than the encoder's own sees the same.
		got, err := webp.Decode(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		var off float64
		for y := range 43 {
			for x := range 61 {
				r, _, _, a := m.At(x, y).RGBA()
				gr, _, _, ga := got.At(x, y).RGBA()
				off += math.Abs(float64(a>>8)-float64(ga>>8)) + math.Abs(float64(r)-float64(gr))/2570 // x/image does not widen video range
			}
		}
		if off /= 61 * 43; off > 3 {
			t.Errorf("alpha %v: %.1f off", alpha, off)
		}
	}
}
