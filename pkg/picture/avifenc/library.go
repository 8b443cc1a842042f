//go:build nodynamic

package avifenc

import (
	"bytes"
	"fmt"
	"image"

	"github.com/gen2brain/avif"
)

// Available tells that the program has the encoder.
const Available = true

// speed is libaom's, 0 to 10. At 8 files are no smaller and take twice the time,
// at 6 they are 3 % smaller and take ten times as long.
const speed = 10

func encode(w *bytes.Buffer, m image.Image, quality int, fullChroma bool) (err error) {
	defer func() { // where its code cannot be made executable it panics
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrStart, r)
		}
	}()
	chroma := image.YCbCrSubsampleRatio420
	if fullChroma {
		chroma = image.YCbCrSubsampleRatio444
	}
	return avif.Encode(w, compact(m), avif.Options{Quality: quality, QualityAlpha: quality, Speed: speed, ChromaSubsampling: chroma})
}

// compact makes sure that there are no gaps between rows: the library does not
// look at the stride.
func compact(m image.Image) image.Image {
	r, ok := m.(*image.RGBA)
	if !ok || r.Stride == 4*r.Rect.Dx() {
		return m // anything else is copied by the library
	}
	out := image.NewRGBA(image.Rect(0, 0, r.Rect.Dx(), r.Rect.Dy()))
	for y := range r.Rect.Dy() {
		copy(out.Pix[y*out.Stride:][:out.Stride], r.Pix[y*r.Stride:])
	}
	return out
}
