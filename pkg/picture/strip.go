package picture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Strip writes src to w without metadata: no EXIF with its places and maker
// notes, no XMP, IPTC, comments or thumbnails, and nothing behind the end of
// the picture. Pixels are copied as they are; color profile, animation and
// orientation stay. On an error w has got a part that is of no use.
//
// It follows the structure of the file, so truncation is found out, but it does
// not decode pixels.
func Strip(w io.Writer, src Source) error {
	info, err := Inspect(src)
	if err != nil {
		return err
	}
	s := newScanner(src)
	out := bufio.NewWriterSize(w, 32<<10) // which keeps the first error of w
	switch info.Format {
	case JPEG:
		err = stripJPEG(out, s, info.Orientation)
	case PNG:
		err = stripPNG(out, s)
	case GIF:
		err = stripGIF(out, s)
	case WebP:
		err = stripWebP(out, src, info.Orientation)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write stripped picture: %w", err)
	}
	if err != nil {
		return s.classify(info.Format, err)
	}
	return nil
}

// StripJPEG is Strip that refuses everything but JPEG.
func StripJPEG(w io.Writer, src Source) error {
	var head [3]byte
	if n, _ := src.ReadAt(head[:], 0); Sniff(head[:n]) != JPEG {
		return fmt.Errorf("%w: no JPEG", ErrFormat)
	}
	return Strip(w, src)
}

// copyN copies the next n bytes of s to w.
func (s *scanner) copyN(w io.Writer, n int64) error {
	if n < 0 || n > s.size-s.used {
		return io.ErrUnexpectedEOF
	}
	s.used += n
	_, err := io.CopyN(w, s.Reader, n)
	return err
}

func stripJPEG(w io.Writer, s *scanner, orientation int) error {
	if err := s.copyN(w, 2); err != nil {
		return err
	}
	placed := orientation == 1
	for range maxSegments {
		m, err := s.marker()
		if err != nil {
			return err
		}
		if !placed && m != mAPP0 {
			w.Write(orientationSegment(orientation))
			placed = true
		}
		if m == mEOI {
			w.Write([]byte{0xff, mEOI})
			return nil
		}
		if m == 0x01 || m >= mRST0 && m <= mSOI {
			continue // stand-alone markers have no business between segments
		}
		n, err := s.length()
		if err != nil {
			return err
		}
		if m >= mAPP0 && m <= mAPPF || m == mCOM {
			b, err := s.take(n)
			if err != nil {
				return err
			}
			if b = keptJPEG(m, b); b != nil {
				writeSegment(w, m, b)
			}
			continue
		}
		w.Write([]byte{0xff, m, byte((n + 2) >> 8), byte(n + 2)})
		if err := s.copyN(w, n); err != nil {
			return err
		}
		if m == mSOS {
			if err := s.copyEntropy(w); err != nil {
				return err
			}
		}
	}
	return errors.New("too many segments")
}

// keptJPEG returns what stays of an application segment or comment, nil for nothing.
func keptJPEG(m byte, b []byte) []byte {
	switch {
	case m == mAPP0 && has(b, "JFIF\x00") && len(b) >= 14:
		b = bytes.Clone(b[:14])
		b[12], b[13] = 0, 0 // no thumbnail
		return b
	case m == mAPP2 && has(b, iccMagic):
		return b
	case m == mAPPE && has(b, "Adobe") && len(b) >= 12:
		return b[:12]
	}
	return nil
}

func writeSegment(w io.Writer, m byte, b []byte) {
	n := len(b) + 2
	w.Write([]byte{0xff, m, byte(n >> 8), byte(n)})
	w.Write(b)
}

// orientationTIFF is EXIF that says nothing but the orientation.
func orientationTIFF(o int) []byte {
	return []byte{
		'M', 'M', 0, '*', 0, 0, 0, 8, // header; first directory at 8
		0, 1, // one entry
		0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, byte(o), 0, 0, // orientation, SHORT, 1
		0, 0, 0, 0, // no further directory
	}
}

func orientationSegment(o int) []byte {
	var b bytes.Buffer
	writeSegment(&b, mAPP1, append([]byte(exifMagic), orientationTIFF(o)...))
	return b.Bytes()
}

// copyEntropy copies up to the next marker that is no restart.
func (s *scanner) copyEntropy(w io.Writer) error {
	for {
		b, err := s.Peek(max(1, s.Buffered()))
		if err != nil {
			return err
		}
		i := bytes.IndexByte(b, 0xff)
		if i < 0 {
			i = len(b)
		}
		if err := s.copyN(w, int64(i)); err != nil {
			return err
		}
		if i == len(b) {
			continue
		}
		b, err = s.Peek(2)
		if err != nil {
			return err
		}
		switch c := b[1]; {
		case c == 0xff: // fill byte
			err = s.skip(1)
		case c == 0 || c >= mRST0 && c < mSOI:
			err = s.copyN(w, 2)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func stripPNG(w io.Writer, s *scanner) error {
	if err := s.copyN(w, int64(len(pngMagic))); err != nil {
		return err
	}
	for {
		b, err := s.Peek(8)
		if err != nil {
			return err
		}
		n, typ := int64(binary.BigEndian.Uint32(b)), string(b[4:8])
		switch typ {
		case "IHDR", "PLTE", "IDAT", "IEND", "tRNS", "acTL", "fcTL", "fdAT", // the picture
			"cHRM", "gAMA", "iCCP", "sBIT", "sRGB", "cICP", "mDCV", "cLLI", "bKGD", "pHYs": // its look
			err = s.copyN(w, 8+n+4)
		default:
			err = s.skip(8 + n + 4)
		}
		if err != nil || typ == "IEND" {
			return err
		}
	}
}

func stripGIF(w io.Writer, s *scanner) error {
	b, err := s.Peek(13)
	if err != nil {
		return err
	}
	if err := s.copyN(w, 13+colorsLen(b[10])); err != nil {
		return err
	}
	for {
		b, err := s.Peek(2)
		if err != nil && (len(b) == 0 || b[0] != 0x3b) {
			return err
		}
		switch b[0] {
		case 0x3b:
			return s.copyN(w, 1)
		case 0x21:
			err = stripGIFExtension(w, s, b[1])
		case 0x2c:
			b, err := s.Peek(10)
			if err != nil {
				return err
			}
			if err := s.copyN(w, 10+colorsLen(b[9])+1); err != nil {
				return err
			}
			if err := s.copySubBlocks(w); err != nil {
				return err
			}
		default:
			return errors.New("unknown block")
		}
		if err != nil {
			return err
		}
	}
}

// stripGIFExtension keeps what shows: frame control, plain text, loop count and
// color profile. Comments and XMP go.
func stripGIFExtension(w io.Writer, s *scanner, label byte) error {
	keep := label == 0xf9 || label == 0x01
	if label == 0xff {
		b, err := s.Peek(2 + 1 + 11)
		if err != nil {
			return err
		}
		switch string(b[3:]) {
		case "NETSCAPE2.0", "ANIMEXTS1.0", "ICCRGBG1012":
			keep = true
		}
	}
	if !keep {
		w = io.Discard
	}
	if err := s.copyN(w, 2); err != nil {
		return err
	}
	return s.copySubBlocks(w)
}

func (s *scanner) copySubBlocks(w io.Writer) error {
	for {
		b, err := s.Peek(1)
		if err != nil {
			return err
		}
		n := int64(b[0])
		if err := s.copyN(w, 1+n); err != nil || n == 0 {
			return err
		}
	}
}

// colorsLen is the length in bytes of the color table that flags announce.
func colorsLen(flags byte) int64 {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (1 + flags&7)
}

// stripWebP walks twice: the length of the result stands before it.
func stripWebP(w io.Writer, src Source, orientation int) error {
	var n counter
	if err := copyWebP(&n, newScanner(src), orientation); err != nil {
		return err
	}
	head := append([]byte("RIFF"), 0, 0, 0, 0, 'W', 'E', 'B', 'P')
	binary.LittleEndian.PutUint32(head[4:], uint32(n+4))
	w.Write(head)
	return copyWebP(w, newScanner(src), orientation)
}

// A counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// copyWebP writes the chunks that stay. A file without VP8X has no metadata.
func copyWebP(w io.Writer, s *scanner, orientation int) error {
	b, err := s.next(12)
	if err != nil {
		return err
	}
	end := min(s.size, int64(binary.LittleEndian.Uint32(b[4:]))+8)
	for s.used+8 <= end {
		b, err := s.Peek(8)
		if err != nil {
			return err
		}
		id, n := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:]))
		size := 8 + n + n&1
		switch id {
		case "VP8X":
			b, err := s.take(size)
			if err != nil || len(b) < 18 {
				return io.ErrUnexpectedEOF
			}
			b[8] &^= 0x08 | 0x04 // neither EXIF nor XMP
			if orientation != 1 {
				b[8] |= 0x08
			}
			w.Write(b)
		case "VP8 ", "VP8L", "ALPH", "ANIM", "ANMF", "ICCP":
			err = s.copyN(w, min(size, s.size-s.used)) // the last padding byte may be missing
			if err == nil && s.used&1 != 0 {
				w.Write([]byte{0})
				return webpOrientation(w, orientation)
			}
		default:
			err = s.skip(min(size, s.size-s.used))
		}
		if err != nil {
			return err
		}
	}
	return webpOrientation(w, orientation)
}

func webpOrientation(w io.Writer, orientation int) error {
	if orientation == 1 {
		return nil
	}
	b := orientationTIFF(orientation)
	w.Write(append([]byte{'E', 'X', 'I', 'F', byte(len(b)), 0, 0, 0}, b...))
	return nil
}
