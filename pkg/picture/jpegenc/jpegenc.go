// Package jpegenc writes JPEG with jpegli, and with the standard library where
// jpegli cannot run. It does not read JPEG, and it writes neither metadata nor
// color profiles.
package jpegenc

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"sync/atomic"

	"github.com/gen2brain/jpegli"
)

// A Codec is safe for concurrent use. Its first JPEG costs about 0.2 s and 25 MB
// more, because jpegli comes as WebAssembly that is compiled then; an idle Codec
// costs nothing.
type Codec struct {
	broken atomic.Bool // jpegli cannot run here
}

// EncodeJPEG writes m, which is an *image.YCbCr (4:2:0 or 4:4:4) or *image.Gray.
// quality is 1 to 100. progressive makes the file about a tenth smaller and
// costs five times the time.
func (c *Codec) EncodeJPEG(w io.Writer, m image.Image, quality int, progressive bool) error {
	// Into memory first: what fails half-way can be done again another way.
	var buf bytes.Buffer
	if !c.broken.Load() {
		err := withJpegli(&buf, m, quality, progressive)
		if err == nil {
			_, err = buf.WriteTo(w)
			return err
		}
		if errors.Is(err, errStart) {
			c.broken.Store(true)
		}
		buf.Reset()
	}
	if err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: quality}); err != nil {
		return fmt.Errorf("encode jpeg: %w", err)
	}
	_, err := buf.WriteTo(w)
	return err
}

// errStart: jpegli panicked. It does so when its code cannot be made
// executable, for example under systemd's MemoryDenyWriteExecute.
var errStart = errors.New("jpegli cannot run")

func withJpegli(w io.Writer, m image.Image, quality int, progressive bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errStart, r)
		}
	}()
	level := 0
	if progressive {
		level = 2
	}
	return jpegli.Encode(w, compact(m), &jpegli.EncodingOptions{
		Quality:              quality,
		ProgressiveLevel:     level,
		OptimizeCoding:       true,
		AdaptiveQuantization: true,
	})
}

// compact makes sure that a gray picture has no gaps between rows: jpegli does
// not look at the stride.
func compact(m image.Image) image.Image {
	g, ok := m.(*image.Gray)
	if !ok || g.Stride == g.Rect.Dx() {
		return m
	}
	out := image.NewGray(image.Rect(0, 0, g.Rect.Dx(), g.Rect.Dy()))
	for y := range g.Rect.Dy() {
		copy(out.Pix[y*out.Stride:][:out.Stride], g.Pix[y*g.Stride:])
	}
	return out
}
