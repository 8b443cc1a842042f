package picture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/png"
	"io"
	"runtime/debug"

	"golang.org/x/image/webp"

	"github.com/porticod/portico/pkg/picture/avifenc"
	"github.com/porticod/portico/pkg/picture/jpegdec"
)

// decode reads the pixels of a picture that Inspect and Limits accepted, as many
// of them as targets call for. The decoders are strict: they report truncation
// and damage where others would leave a part of the picture gray. They look at
// ctx all the time, so they end with it.
func decode(ctx context.Context, src Source, info Info, targets []target) (f *frame, err error) {
	defer func() {
		// A bug in a decoder must cost one picture, not the daemon.
		if v := recover(); v != nil {
			f, err = nil, fmt.Errorf("%w: the %v decoder failed: %v\n%s", ErrBroken, info.Format, v, debug.Stack())
		}
	}()
	if info.Format == JPEG {
		return decodeJPEG(ctx, src, info, targets)
	}
	r := &ctxReader{ctx: ctx, r: io.NewSectionReader(src, 0, src.Size())}
	m, err := decodeImage(bufio.NewReaderSize(r, 32<<10), info)
	switch {
	case r.err != nil:
		return nil, r.err
	case err != nil:
		return nil, classifyDecode(info.Format, err)
	}
	if w, h := info.stored(); m.Bounds().Dx() != w || m.Bounds().Dy() != h {
		return nil, fmt.Errorf("%w: %v pixels are not as many as the header says", ErrBroken, info.Format)
	}
	return frameOf(m, info.Alpha), nil
}

func decodeImage(r io.Reader, info Info) (image.Image, error) {
	switch info.Format {
	case PNG:
		return png.Decode(r)
	case GIF:
		m, err := gif.Decode(r)
		if err != nil {
			return nil, err
		}
		return onScreen(m, info.Width, info.Height), nil
	case WebP:
		if info.Frames > 1 {
			return nil, fmt.Errorf("%w: an animated WebP", ErrFormat)
		}
		m, err := webp.Decode(r)
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *image.YCbCr:
			expand(m)
		case *image.NYCbCrA:
			expand(&m.YCbCr)
		}
		return m, nil
	}
	return nil, ErrFormat
}

// onScreen puts the first frame of a GIF at its place on the screen.
func onScreen(m image.Image, w, h int) image.Image {
	if m.Bounds() == image.Rect(0, 0, w, h) {
		return m
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, m.Bounds(), m, m.Bounds().Min, draw.Src)
	return out
}

func classifyDecode(f Format, err error) error {
	var unsupportedJPEG jpegdec.UnsupportedError
	var unsupportedPNG png.UnsupportedError
	switch {
	case errors.Is(err, ErrFormat):
		return err
	case errors.As(err, &unsupportedJPEG), errors.As(err, &unsupportedPNG):
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	return broken(f, err)
}

// A ctxReader fails when ctx has ended, and keeps errors that are not the file's
// fault.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		c.err = err
		return 0, err
	}
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = fmt.Errorf("read picture: %w", err)
	}
	return n, err
}

// cost estimates from above the bytes that decoding and making specs of a file of
// size bytes takes.
func cost(info Info, size int64, specs []Spec) int64 {
	px := info.Pixels()
	var n int64 = 1 << 20
	switch info.Format {
	case JPEG:
		n += 2*size + jpegCost(info, specs)
	default:
		n += px * int64(info.depth)
		if info.Progressive {
			n += px * int64(info.depth)
		}
		if info.Alpha {
			n += px * 6 // four planes and their halves
		} else {
			n += px * 5
		}
	}
	var avif int64 // one at a time
	for _, s := range specs {
		w, h := s.Size(info.Width, info.Height)
		n += int64(w) * int64(h) * 12                     // planes, their turned copy, the encoder's, the file
		if s.Format == AVIF && w*h <= avifenc.MaxPixels { // else it is refused
			avif = max(avif, int64(w)*int64(h)*avifenc.PixelMemory+avifenc.FixedMemory)
		}
	}
	return n + avif
}
