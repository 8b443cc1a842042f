// Package picture turns pictures that strangers sent into pictures that can be
// shown: it tells what a file is, refuses what would cost too much before
// decoding it, strips metadata without re-encoding, and makes any number of
// smaller pictures from one decode, within a budget of memory and
// time that all callers share.
//
// It does not store, name, cache or deliver pictures, and it does not do animation: of an
// animated GIF the first frame counts. It reads JPEG, PNG, GIF and still WebP, and writes JPEG, PNG, WebP and AVIF.
package picture

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Format is what a file is, told by its content.
type Format uint8

const (
	Auto Format = iota // for a Spec: JPEG, or PNG where the picture has transparency
	JPEG
	PNG
	GIF
	WebP
	AVIF // is written, never read
)

func (f Format) String() string {
	switch f {
	case JPEG:
		return "jpeg"
	case PNG:
		return "png"
	case GIF:
		return "gif"
	case WebP:
		return "webp"
	case AVIF:
		return "avif"
	}
	return "auto"
}

// MediaType is the MIME type of f, "" for Auto.
func (f Format) MediaType() string {
	if f == Auto {
		return ""
	}
	return "image/" + f.String()
}

// Ext is the usual file name extension of f with its dot, "" for Auto.
func (f Format) Ext() string {
	switch f {
	case Auto:
		return ""
	case JPEG:
		return ".jpg"
	}
	return "." + f.String()
}

// What can be wrong with a picture or with the moment. Every error of this
// package that is not one of the caller's own context or reader wraps one.
var (
	// ErrFormat: not a picture, or of a kind that is not read here.
	ErrFormat = errors.New("not a picture that can be read")
	// ErrBroken: it begins like a picture, but it is truncated or damaged.
	ErrBroken = errors.New("the picture is damaged")
	// ErrTooLarge: more pixels, bytes, frames or scans than allowed, or more
	// memory than the whole budget.
	ErrTooLarge = errors.New("the picture is too large")
	// ErrBusy: the budget was in use for as long as a caller may wait. Try
	// again after RetryAfter.
	ErrBusy = errors.New("too many pictures are being worked on")
	// ErrSlow: the work took longer than one picture may take.
	ErrSlow = errors.New("the picture takes too long to decode")
	// ErrEncoder: this program, or this system, cannot write that format.
	ErrEncoder = errors.New("pictures cannot be written in this format here")
)

// A Source is a picture's bytes: a *bytes.Reader or an *io.SectionReader over a
// file. It must not change while it is in use.
type Source interface {
	io.ReaderAt
	Size() int64
}

// Info is what the header of a picture says.
type Info struct {
	Format Format
	// Width and Height are pixels as shown, with Orientation applied.
	Width, Height int
	// Orientation is the EXIF orientation, 1 to 8; 1 where there is none.
	Orientation int
	// Frames is 1, or more for an animation.
	Frames int
	// Alpha tells that the picture may have transparent parts.
	Alpha bool
	// Progressive tells that a JPEG is progressive or a PNG interlaced.
	Progressive bool

	depth   int // bytes per pixel that the decoder needs, rounded up
	samples int // JPEG: samples per 4 pixels, all components together
	comps   int // JPEG: number of components

	ids [4]byte // JPEG: what scans call the components
}

// Pixels is the area of one frame.
func (i Info) Pixels() int64 { return int64(i.Width) * int64(i.Height) }

// stored returns the size before orientation.
func (i Info) stored() (w, h int) {
	if i.Orientation >= 5 {
		return i.Height, i.Width
	}
	return i.Width, i.Height
}

// Limits says what is refused before decoding. The zero value has the defaults.
type Limits struct {
	Pixels int64 // of one frame; default 50 million
	Bytes  int64 // of the file; default 256 MiB
	Frames int   // of an animation; default 1,000
	Scans  int   // of a progressive JPEG; default 100
}

// maxSide is the longest side, in pixels, of any picture. JPEG has the same limit.
const maxSide = 65535

func (l Limits) pixels() int64 { return or(l.Pixels, 50_000_000) }
func (l Limits) bytes() int64  { return or(l.Bytes, 256<<20) }
func (l Limits) frames() int   { return or(l.Frames, 1000) }
func (l Limits) scans() int    { return or(l.Scans, 100) }

func or[T int | int64](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Check returns an ErrTooLarge that says which limit a picture of size bytes is over.
func (l Limits) Check(i Info, size int64) error {
	switch {
	case size > l.bytes():
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, size, l.bytes())
	case i.Pixels() > l.pixels():
		return fmt.Errorf("%w: %d x %d pixels, at most %.1f megapixels are allowed",
			ErrTooLarge, i.Width, i.Height, float64(l.pixels())/1e6)
	case max(i.Width, i.Height) > maxSide:
		return fmt.Errorf("%w: %d x %d pixels, a side has at most %d", ErrTooLarge, i.Width, i.Height, maxSide)
	case i.Frames > l.frames():
		return fmt.Errorf("%w: %d frames, at most %d are allowed", ErrTooLarge, i.Frames, l.frames())
	}
	return nil
}

func broken(f Format, err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the %v file ends too early", ErrBroken, f)
	}
	return fmt.Errorf("%w: %v: %s", ErrBroken, f, strings.TrimPrefix(err.Error(), f.String()+": "))
}
