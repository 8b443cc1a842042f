// Package webpenc writes WebP, in pure Go and therefore slowly: a picture of a
// megapixel takes a tenth of a second and more. It does not read WebP, and it
// writes no metadata but the color profile.
package webpenc

import (
	"fmt"
	"image"
	"io"

	"github.com/deepteams/webp"
)

// MaxSide is the longest side of a WebP in pixels.
const MaxSide = 16383

// Encode writes m, an *image.RGBA or *image.NRGBA. quality is 1 to 100, about as
// JPEG has it; icc may be nil.
func Encode(w io.Writer, m image.Image, quality int, icc []byte) error {
	o := webp.DefaultOptions()
	// WebP's scale is another than JPEG's: at equal numbers skies show blocks, and
	// more so where bits are moved from smooth parts to busy ones.
	o.Quality = float32(quality) + float32(100-quality)/4
	o.SNSStrength = 0
	o.ICC = icc
	if err := webp.Encode(w, m, o); err != nil {
		return fmt.Errorf("encode webp: %w", err)
	}
	return nil
}
