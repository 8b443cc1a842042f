//go:build nodynamic

package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"runtime"
	"testing"

	"github.com/porticod/portico/pkg/picture"
)

// AVIF shows the same picture as PNG does, the right way up, with its transparent
// parts and its profile, and nothing else of what the file had.
func TestAVIF(t *testing.T) {
	icc := fakeProfile("RGB ", 700)
	pool := picture.NewPool(picture.Options{})
	both := func(b []byte) (avif, png picture.Variant) {
		t.Helper()
		res, err := pool.Make(context.Background(), bytes.NewReader(b), picture.Job{Specs: []picture.Spec{
			{Width: 90, Format: picture.AVIF, Quality: 95}, {Width: 90, Format: picture.PNG},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return res.Variants[0], res.Variants[1]
	}
	for orientation := 1; orientation <= 8; orientation++ {
		b := asJPEG(t, stored(upright(), orientation), 95)
		b = insertAfter(b, 2, append(segment(0xe1, exif(binary.BigEndian, orientation)), iccSegments(icc)...))
		avif, png := both(b)
		if avif.Format != picture.AVIF || avif.Width != 90 || avif.Height != 60 {
			t.Fatalf("orientation %d: %v of %dx%d", orientation, avif.Format, avif.Width, avif.Height)
		}
		if d := distance(t, decoded(t, avif.Data), decoded(t, png.Data)); d > 3 {
			t.Errorf("orientation %d: %.1f off", orientation, d)
		}
		if !bytes.Contains(avif.Data, icc) || bytes.Contains(avif.Data, []byte("Exif")) {
			t.Errorf("orientation %d: not just the profile", orientation)
		}
	}
	m := image.NewNRGBA(image.Rect(0, 0, 120, 80))
	for y := range 80 {
		for x := range 120 {
			m.SetNRGBA(x, y, color.NRGBA{200, 100, 50, uint8(2 * x)})
		}
	}
	avif, png := both(asPNG(t, m))
	_, _, _, a := decoded(t, avif.Data).At(30, 30).RGBA()
	_, _, _, want := decoded(t, png.Data).At(30, 30).RGBA()
	if a>>8 < want>>8-6 || a>>8 > want>>8+6 {
		t.Errorf("alpha %d, want %d", a>>8, want>>8)
	}
}

// What is made of AVIF is made by workers of its own, which stay for more than
// one picture; the others go without.
func TestAVIFHasWorkersOfItsOwn(t *testing.T) {
	far, _ := apart(t, picture.Options{})
	near := picture.NewPool(picture.Options{})
	b := asJPEG(t, scene(1500, 1000), 90)
	for _, s := range []picture.Spec{{Width: 900, Format: picture.AVIF}, {Width: 300, Format: picture.AVIF}, {Width: 300}} {
		job := picture.Job{Specs: []picture.Spec{s}}
		got, err := far.Make(context.Background(), bytes.NewReader(b), job)
		if err != nil {
			t.Fatal(err)
		}
		want, err := near.Make(context.Background(), bytes.NewReader(b), job)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Variants[0].Data, want.Variants[0].Data) {
			t.Errorf("%v differs", s.Format)
		}
	}
	if runtime.GOOS != "linux" {
		return
	}
	if heavy, light := len(far.WaitingHeavy()), len(far.Waiting()); heavy != 1 || light != 1 {
		t.Errorf("%d workers for AVIF and %d others wait, want one of each", heavy, light)
	}
}

func TestAVIFThatIsTooLarge(t *testing.T) {
	b := asJPEG(t, image.NewGray(image.Rect(0, 0, 4096, 1040)), 50)
	for _, c := range []struct {
		o    picture.Options
		spec picture.Spec
	}{
		{picture.Options{}, picture.Spec{Format: picture.AVIF}},                            // its pixels
		{picture.Options{Memory: 64 << 20}, picture.Spec{Width: 64, Format: picture.AVIF}}, // the encoder
	} {
		if err := make1(b, c.o, c.spec); !errors.Is(err, picture.ErrTooLarge) {
			t.Errorf("%+v: %v", c.spec, err)
		}
	}
}
