// Package avifenc writes AVIF with libaom, which comes as WebAssembly: slowly, a
// megapixel takes about a quarter of a second, and with much memory. It does not
// read AVIF, and it writes no metadata but the color profile.
//
// The library that it uses would link the program against C's dynamic loader
// unless it is compiled with the tag nodynamic. Without that tag this package has
// no encoder, so that every build of the program stays static.
package avifenc

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
)

const (
	// MaxPixels is the largest picture that is written, width times height.
	MaxPixels = 1 << 22
	// PixelMemory is what the encoder takes in bytes for each pixel, FixedMemory
	// what it takes besides.
	PixelMemory, FixedMemory = 64, 96 << 20
)

// ErrStart: the encoder cannot run here, because the program was built without
// it, or because the system does not let its code be made executable.
var ErrStart = errors.New("there is no encoder for AVIF here")

// Encode writes m, an *image.RGBA or *image.NRGBA that starts at (0, 0). quality is 1 to 100, about
// as JPEG has it; fullChroma keeps the full resolution of colors; icc may be nil.
// The first picture costs a second more: the encoder is compiled then, and stays
// in memory.
func Encode(w io.Writer, m image.Image, quality int, fullChroma bool, icc []byte) error {
	if b := m.Bounds(); b.Dx()*b.Dy() > MaxPixels {
		return fmt.Errorf("encode avif: %d x %d are more than %d pixels", b.Dx(), b.Dy(), MaxPixels)
	}
	var buf bytes.Buffer
	if err := encode(&buf, m, scale(quality), fullChroma); err != nil {
		return fmt.Errorf("encode avif: %w", err)
	}
	file, err := withColor(buf.Bytes(), icc)
	if err != nil {
		return fmt.Errorf("encode avif: %w", err)
	}
	_, err = w.Write(file)
	return err
}

// scale is libavif's quality for one that is meant as JPEG has it: at about the
// same SSIM on photographs, where files are a fifth smaller.
func scale(quality int) int { return max(1, quality*2/5, 75+(quality-88)*7/4) }
