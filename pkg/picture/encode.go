package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"

	blurhash "github.com/bbrks/go-blurhash"

	"github.com/porticod/portico/pkg/picture/avifenc"
	"github.com/porticod/portico/pkg/picture/webpenc"
)

// A Codec writes JPEG. m is an *image.YCbCr (4:2:0 or 4:4:4) or an *image.Gray
// that starts at (0, 0); the codec must not keep it.
type Codec interface {
	EncodeJPEG(w io.Writer, m image.Image, quality int, progressive bool) error
}

// encode writes f, already of its final size and the right way up.
func encode(c Codec, f *frame, s Spec, icc []byte) (data []byte, format Format, err error) {
	format = s.Format
	if format == Auto {
		format = JPEG
		if f.model == rgba {
			format = PNG
		}
	}
	var buf bytes.Buffer
	if format == PNG {
		err = png.Encode(&buf, f.rgbImage())
		return pngWithProfile(buf.Bytes(), icc), format, err
	}
	if format == WebP || format == AVIF {
		err = encodeSlowly(&buf, f.rgbImage(), s, icc)
		return buf.Bytes(), format, err
	}
	err = c.EncodeJPEG(&buf, f.flatten().image(), s.quality(), s.Progressive)
	return jpegWithProfile(buf.Bytes(), icc), format, err
}

// encodeSlowly writes WebP or AVIF. A profile for gray is left out: these have
// colors, all gray.
func encodeSlowly(buf *bytes.Buffer, m image.Image, s Spec, icc []byte) error {
	if len(icc) > 0 && string(icc[16:20]) != "RGB " {
		icc = nil
	}
	if s.Format == WebP {
		return webpenc.Encode(buf, m, s.quality(), icc)
	}
	err := avifenc.Encode(buf, m, s.quality(), s.quality() >= fullChroma, icc)
	if errors.Is(err, avifenc.ErrStart) {
		return fmt.Errorf("%w: %w", ErrEncoder, err)
	}
	return err
}

// jpegWithProfile puts a color profile behind the JFIF header.
func jpegWithProfile(b, icc []byte) []byte {
	if len(icc) == 0 || len(b) < 4 {
		return b
	}
	at := 2
	if b[2] == 0xff && b[3] == mAPP0 && len(b) >= 6 {
		at += 2 + int(binary.BigEndian.Uint16(b[4:]))
	}
	return insert(b, at, jpegICC(icc))
}

// pngWithProfile puts an iCCP chunk behind the header (PNG 11.3.2.3).
func pngWithProfile(b, icc []byte) []byte {
	const at = 8 + 25 // signature, IHDR
	if len(icc) == 0 || len(b) < at {
		return b
	}
	var c bytes.Buffer
	c.WriteString("\x00\x00\x00\x00iCCPicc\x00\x00")
	z := zlib.NewWriter(&c)
	z.Write(icc) // into memory, it cannot fail
	z.Close()
	chunk := c.Bytes()
	binary.BigEndian.PutUint32(chunk, uint32(len(chunk)-8))
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return insert(b, at, chunk)
}

func insert(b []byte, at int, part []byte) []byte {
	if at > len(b) {
		return b
	}
	out := make([]byte, 0, len(b)+len(part))
	out = append(out, b[:at]...)
	out = append(out, part...)
	return append(out, b[at:]...)
}

// blurSide is the longest side of what a blurhash is computed from, in pixels.
const blurSide = 32

// hash returns the blurhash of a small frame, with four components along the
// longer side and three along the other.
func (f *frame) hash() (string, error) {
	x, y := 4, 3
	if w, h := f.size(); h > w {
		x, y = 3, 4
	}
	return blurhash.Encode(x, y, f.flatten().image())
}
