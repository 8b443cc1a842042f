package picture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// sniffLen is how many bytes Sniff looks at.
const sniffLen = 16

// Sniff tells a format by the first bytes of a file, 16 suffice; Auto means none
// that is read here.
func Sniff(b []byte) Format {
	switch {
	case has(b, "\xff\xd8\xff"):
		return JPEG
	case has(b, pngMagic):
		return PNG
	case has(b, "GIF87a"), has(b, "GIF89a"):
		return GIF
	case len(b) >= 12 && has(b, "RIFF") && string(b[8:12]) == "WEBP":
		return WebP
	}
	return Auto
}

// written is Sniff, and knows AVIF too.
func written(b []byte) Format {
	if len(b) >= 12 && string(b[4:12]) == "ftypavif" {
		return AVIF
	}
	return Sniff(b)
}

// other says what a file is that is not read here, for kinds that people have.
func other(b []byte) string {
	if len(b) >= 12 && string(b[4:8]) == "ftyp" {
		switch string(b[8:12]) {
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			return "a HEIC picture; send it as JPEG"
		case "avif", "avis":
			return "an AVIF picture; send it as JPEG, PNG or WebP"
		}
		return "a film"
	}
	switch {
	case has(b, "II*\x00"), has(b, "MM\x00*"):
		return "a TIFF or a camera's raw picture; send it as JPEG"
	case has(b, "\xff\x0a"), has(b, "\x00\x00\x00\x0cJXL "):
		return "a JPEG XL picture; send it as JPEG"
	case has(b, "<svg"), has(b, "<?xml"):
		return "a drawing or a document, not pixels"
	case has(b, "%PDF"):
		return "a document"
	}
	return "neither JPEG, PNG, GIF nor WebP"
}

func has(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// Inspect reads what the header of a picture says, without decoding it and
// without any limit on the picture's size: see Limits.Check. It reads little of
// a JPEG or PNG; a GIF or WebP is walked block by block to its end, and
// truncation there is found out already.
func Inspect(src Source) (Info, error) {
	var head [sniffLen]byte
	n, err := src.ReadAt(head[:min(src.Size(), sniffLen)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Info{}, fmt.Errorf("read picture: %w", err)
	}
	s := newScanner(src)
	info := Info{Format: Sniff(head[:n]), Orientation: 1, Frames: 1}
	switch info.Format {
	case JPEG:
		err = inspectJPEG(s, &info)
	case PNG:
		err = inspectPNG(s, &info)
	case GIF:
		err = inspectGIF(s, &info)
	case WebP:
		err = inspectWebP(s, &info)
	default:
		return Info{}, fmt.Errorf("%w: %s", ErrFormat, other(head[:n]))
	}
	if err != nil {
		return Info{}, s.classify(info.Format, err)
	}
	if info.Width <= 0 || info.Height <= 0 {
		return Info{}, fmt.Errorf("%w: %v of %d x %d pixels", ErrBroken, info.Format, info.Width, info.Height)
	}
	if info.Orientation >= 5 {
		info.Width, info.Height = info.Height, info.Width
	}
	return info, nil
}

// A scanner reads a Source from front to back and keeps errors of the reader
// apart from a file that just ends.
type scanner struct {
	*bufio.Reader
	size int64
	used int64 // bytes consumed
	fail error // an error of the source other than its end
}

func newScanner(src Source) *scanner {
	s := &scanner{size: src.Size()}
	s.Reader = bufio.NewReaderSize(&failReader{io.NewSectionReader(src, 0, src.Size()), &s.fail}, 4096)
	return s
}

type failReader struct {
	r    io.Reader
	fail *error
}

func (f *failReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		*f.fail = err
	}
	return n, err
}

// classify makes a package error of what inspection ended with.
func (s *scanner) classify(f Format, err error) error {
	switch {
	case s.fail != nil:
		return fmt.Errorf("read picture: %w", s.fail)
	case errors.Is(err, ErrFormat), errors.Is(err, ErrBroken), errors.Is(err, ErrTooLarge):
		return err
	}
	return broken(f, err)
}

// next reads exactly n bytes, at most what the buffer holds. They are valid
// until the next call.
func (s *scanner) next(n int) ([]byte, error) {
	b, err := s.Peek(n)
	if err != nil {
		return nil, err
	}
	s.used += int64(n)
	_, err = s.Discard(n)
	return b, err
}

// skip passes over n bytes. What lies beyond the end of the file is an error
// before anything is read.
func (s *scanner) skip(n int64) error {
	if n < 0 || n > s.size-s.used {
		return io.ErrUnexpectedEOF
	}
	s.used += n
	for n > 0 {
		step := min(n, 1<<30)
		if _, err := s.Discard(int(step)); err != nil {
			return err
		}
		n -= step
	}
	return nil
}

// take returns a copy of the next n bytes.
func (s *scanner) take(n int64) ([]byte, error) {
	if n < 0 || n > s.size-s.used {
		return nil, io.ErrUnexpectedEOF
	}
	s.used += n
	b := make([]byte, n)
	_, err := io.ReadFull(s.Reader, b)
	return b, err
}

const pngMagic = "\x89PNG\r\n\x1a\n"

func inspectPNG(s *scanner, info *Info) error {
	b, err := s.next(8 + 8 + 13 + 4)
	if err != nil {
		return err
	}
	if string(b[12:16]) != "IHDR" || binary.BigEndian.Uint32(b[8:]) != 13 {
		return errors.New("no header chunk")
	}
	w, h := binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])
	if w > 1<<31-1 || h > 1<<31-1 {
		return errors.New("impossible size")
	}
	info.Width, info.Height = int(w), int(h)
	depth, color := b[24], b[25]
	info.Progressive = b[28] != 0
	info.Alpha = color == 4 || color == 6
	info.depth = 1
	if color == 2 || info.Alpha {
		info.depth = 4
	}
	if depth == 16 {
		info.depth *= 2
	}
	for range 10_000 { // chunks before the pixels; real files have about ten
		b, err := s.next(8)
		if err != nil {
			return err
		}
		n, typ := int64(binary.BigEndian.Uint32(b)), string(b[4:8])
		switch typ {
		case "IDAT":
			return nil
		case "IEND":
			return errors.New("no pixels")
		case "tRNS":
			info.Alpha = true
			info.depth = max(info.depth, 4)
		case "acTL":
			b, err := s.take(min(n, 8))
			if err != nil || len(b) < 8 {
				return io.ErrUnexpectedEOF
			}
			info.Frames = max(1, int(binary.BigEndian.Uint32(b)))
			n -= 8
		}
		if err := s.skip(n + 4); err != nil {
			return err
		}
	}
	return errors.New("too many chunks")
}
