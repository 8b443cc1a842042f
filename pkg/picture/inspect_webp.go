package picture

import (
	"encoding/binary"
	"errors"
	"io"
)

// inspectWebP walks all chunks: the orientation lies behind the pixels.
func inspectWebP(s *scanner, info *Info) error {
	b, err := s.next(12)
	if err != nil {
		return err
	}
	end := int64(binary.LittleEndian.Uint32(b[4:])) + 8
	if end > s.size {
		return io.ErrUnexpectedEOF
	}
	seen, frames := false, 0
	for s.used+8 <= end {
		b, err := s.next(8)
		if err != nil {
			return err
		}
		id, n := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:]))
		if n > end-s.used {
			return io.ErrUnexpectedEOF
		}
		start := s.used
		switch id {
		case "VP8X", "VP8 ", "VP8L":
			if seen && id == "VP8X" {
				return errors.New("two headers")
			}
			if !seen {
				if err := webpSize(s, id, n, info); err != nil {
					return err
				}
				seen = true
			}
		case "ANMF":
			frames++
		case "EXIF":
			b, err := s.take(min(n, 64<<10))
			if err != nil {
				return err
			}
			info.Orientation = orientationOf(trimExif(b))
		}
		n += n & 1 // chunks are padded to even lengths
		if err := s.skip(min(n-(s.used-start), s.size-s.used)); err != nil {
			return err
		}
	}
	if !seen {
		return errors.New("no picture inside")
	}
	info.Frames = max(1, frames)
	return nil
}

// webpSize reads the size from the first chunk that knows it.
func webpSize(s *scanner, id string, n int64, info *Info) error {
	if n < 10 {
		return errors.New("short header")
	}
	b, err := s.next(10)
	if err != nil {
		return err
	}
	switch id {
	case "VP8X":
		info.Alpha = b[0]&0x10 != 0
		info.Width = 1 + int(b[4]) + int(b[5])<<8 + int(b[6])<<16
		info.Height = 1 + int(b[7]) + int(b[8])<<8 + int(b[9])<<16
		info.depth = 12
	case "VP8 ":
		if b[0]&1 != 0 || b[3] != 0x9d || b[4] != 0x01 || b[5] != 0x2a {
			return errors.New("no key frame")
		}
		info.Width = int(binary.LittleEndian.Uint16(b[6:])) & 0x3fff
		info.Height = int(binary.LittleEndian.Uint16(b[8:])) & 0x3fff
		info.depth = 2
	case "VP8L":
		if b[0] != 0x2f {
			return errors.New("no lossless header")
		}
		v := binary.LittleEndian.Uint32(b[1:])
		info.Width, info.Height = 1+int(v&0x3fff), 1+int(v>>14&0x3fff)
		info.Alpha = v>>28&1 != 0
		info.depth = 12
	}
	return nil
}
