package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
)

const (
	iccMagic = "ICC_PROFILE\x00"
	// maxICC bounds a profile in bytes, inflated. Larger ones are dropped.
	maxICC = 1 << 20
	// iccPart is the most of a profile that fits a JPEG segment.
	iccPart = 65535 - 2 - len(iccMagic) - 2
)

// profile returns the color profile inside a picture that Inspect accepted, nil
// where there is none, it is too large or it is not for what the decoder gives:
// a CMYK profile says nothing about the RGB that comes out.
func profile(src Source, info Info) []byte {
	s := newScanner(src)
	var icc []byte
	switch info.Format {
	case JPEG:
		icc = jpegProfile(s)
	case PNG:
		icc = pngProfile(s)
	case WebP:
		icc = webpProfile(s)
	}
	if len(icc) < 128 || string(icc[36:40]) != "acsp" || int(binary.BigEndian.Uint32(icc)) != len(icc) {
		return nil
	}
	want := "RGB "
	if info.Format == JPEG && info.comps == 1 {
		want = "GRAY"
	}
	if string(icc[16:20]) != want {
		return nil
	}
	return icc
}

// jpegProfile joins the pieces, which are numbered from 1.
func jpegProfile(s *scanner) []byte {
	if s.skip(2) != nil {
		return nil
	}
	var parts [256][]byte
	total, count := 0, 0
	for range maxSegments {
		m, err := s.marker()
		if err != nil || m == mSOS || m == mEOI {
			break
		}
		if m == 0x01 || m >= mRST0 && m <= mSOI {
			continue
		}
		n, err := s.length()
		if err != nil {
			return nil
		}
		b, err := s.take(n)
		if err != nil {
			return nil
		}
		if m != mAPP2 || !has(b, iccMagic) || len(b) < len(iccMagic)+2 {
			continue
		}
		seq := b[len(iccMagic)]
		count = int(b[len(iccMagic)+1])
		b = b[len(iccMagic)+2:]
		if total += len(b); total > maxICC || parts[seq] != nil {
			return nil
		}
		parts[seq] = b
	}
	var icc []byte
	for i := 1; i <= count; i++ {
		if parts[i] == nil {
			return nil
		}
		icc = append(icc, parts[i]...)
	}
	return icc
}

func pngProfile(s *scanner) []byte {
	if s.skip(8) != nil {
		return nil
	}
	for range 10_000 {
		b, err := s.next(8)
		if err != nil {
			return nil
		}
		n, typ := int64(binary.BigEndian.Uint32(b)), string(b[4:8])
		if typ == "IDAT" || typ == "IEND" {
			return nil
		}
		if typ != "iCCP" {
			if s.skip(n+4) != nil {
				return nil
			}
			continue
		}
		if n > maxICC {
			return nil
		}
		b, err = s.take(n)
		if err != nil {
			return nil
		}
		_, b, ok := bytes.Cut(b, []byte{0})
		if !ok || len(b) < 1 || b[0] != 0 {
			return nil
		}
		z, err := zlib.NewReader(bytes.NewReader(b[1:]))
		if err != nil {
			return nil
		}
		icc, err := io.ReadAll(io.LimitReader(z, maxICC+1))
		if err != nil || len(icc) > maxICC {
			return nil
		}
		return icc
	}
	return nil
}

func webpProfile(s *scanner) []byte {
	if s.skip(12) != nil {
		return nil
	}
	for {
		b, err := s.next(8)
		if err != nil {
			return nil
		}
		id, n := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:]))
		if id == "ICCP" && n <= maxICC {
			b, _ := s.take(n)
			return b
		}
		if s.skip(n+n&1) != nil {
			return nil
		}
	}
}

// jpegICC is the profile as JPEG segments, to be put behind the first marker.
func jpegICC(icc []byte) []byte {
	var b bytes.Buffer
	count := (len(icc) + iccPart - 1) / iccPart
	for i := 1; len(icc) > 0; i++ {
		part := icc[:min(len(icc), iccPart)]
		icc = icc[len(part):]
		writeSegment(&b, mAPP2, append(append([]byte(iccMagic), byte(i), byte(count)), part...))
	}
	return b.Bytes()
}
