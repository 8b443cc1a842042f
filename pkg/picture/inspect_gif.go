package picture

import (
	"encoding/binary"
	"errors"
)

// inspectGIF walks all blocks to the trailer, because only so are the frames
// counted; the pixels themselves are skipped by their sub-blocks' lengths.
func inspectGIF(s *scanner, info *Info) error {
	b, err := s.next(13)
	if err != nil {
		return err
	}
	info.Width, info.Height = int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	info.depth = 1
	if err := s.skip(colorsLen(b[10])); err != nil {
		return err
	}
	info.Frames = 0
	for {
		b, err := s.next(1)
		if err != nil {
			return err
		}
		switch b[0] {
		case 0x21: // extension
			err = gifExtension(s, info)
		case 0x2c: // frame
			err = gifFrame(s, info)
		case 0x3b: // trailer
			if info.Frames == 0 {
				return errors.New("no frame")
			}
			return nil
		default:
			return errors.New("unknown block")
		}
		if err != nil {
			return err
		}
	}
}

func gifExtension(s *scanner, info *Info) error {
	b, err := s.next(1)
	if err != nil {
		return err
	}
	if b[0] == 0xf9 && info.Frames == 0 { // graphic control of the first frame
		b, err := s.Peek(2)
		if err != nil {
			return err
		}
		info.Alpha = info.Alpha || b[0] >= 1 && b[1]&1 != 0
	}
	return skipSubBlocks(s)
}

func gifFrame(s *scanner, info *Info) error {
	b, err := s.next(9)
	if err != nil {
		return err
	}
	w, h := int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:]))
	if info.Frames == 0 && (w < info.Width || h < info.Height) {
		info.Alpha = true // the rest of the screen shows through
	}
	info.Frames++
	if err := s.skip(colorsLen(b[8]) + 1); err != nil { // and the LZW code size
		return err
	}
	return skipSubBlocks(s)
}

func skipSubBlocks(s *scanner) error {
	for {
		b, err := s.next(1)
		if err != nil {
			return err
		}
		if b[0] == 0 {
			return nil
		}
		if err := s.skip(int64(b[0])); err != nil {
			return err
		}
	}
}
