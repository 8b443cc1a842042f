package avifenc

import (
	"encoding/binary"
	"errors"
	"slices"
)

// The library says nothing about colors: its files have a colr box of "not
// specified", and no place for a profile. What follows mends that in the finished
// file (ISO/IEC 14496-12 and 23008-12).

// errShape: the file is not as the encoder writes it.
var errShape = errors.New("its boxes are not as expected")

// Coding-independent code points (ITU-T H.273).
const (
	cpUnknown = 2
	cpBT709   = 1  // primaries, those of sRGB
	cpSRGB    = 13 // transfer
	cpBT601   = 6  // matrix, the one that the encoder uses
)

// A box is a part of a file: its header begins at start.
type box struct{ start, end int }

// find returns the first box of a type between two places.
func find(b []byte, start, end int, name string) (box, error) {
	for start+8 <= end {
		n := int(binary.BigEndian.Uint32(b[start:]))
		if n < 8 || n > end-start {
			break
		}
		if string(b[start+4:start+8]) == name {
			return box{start, start + n}, nil
		}
		start += n
	}
	return box{}, errShape
}

// withColor returns the file with colors that are sRGB, or as icc says.
func withColor(file, icc []byte) ([]byte, error) {
	meta, err := find(file, 0, len(file), "meta")
	if err != nil {
		return nil, err
	}
	iprp, err := find(file, meta.start+12, meta.end, "iprp")
	if err != nil {
		return nil, err
	}
	ipco, err := find(file, iprp.start+8, iprp.end, "ipco")
	if err != nil {
		return nil, err
	}
	colr, err := find(file, ipco.start+8, ipco.end, "colr")
	if err != nil || colr.end-colr.start < 19 || string(file[colr.start+8:colr.start+12]) != "nclx" {
		return nil, errShape
	}
	primaries, transfer := uint16(cpBT709), uint16(cpSRGB)
	if len(icc) > 0 {
		primaries, transfer = cpUnknown, cpUnknown
	}
	values := file[colr.start+12:]
	binary.BigEndian.PutUint16(values, primaries)
	binary.BigEndian.PutUint16(values[2:], transfer)
	binary.BigEndian.PutUint16(values[4:], cpBT601)
	if len(icc) == 0 {
		return file, nil
	}
	return addProfile(file, icc, meta, iprp, ipco)
}

// addProfile puts a colr box with the profile behind the other properties and has
// the picture use it. What lies behind it moves.
func addProfile(file, icc []byte, meta, iprp, ipco box) ([]byte, error) {
	ipma, err := find(file, ipco.end, iprp.end, "ipma")
	if err != nil {
		return nil, err
	}
	count, err := entryOf(file, meta, ipma)
	if err != nil {
		return nil, err
	}
	prof := binary.BigEndian.AppendUint32(nil, uint32(12+len(icc)))
	prof = append(append(prof, "colrprof"...), icc...)
	more := len(prof) + 1
	if err := move(file, meta, more); err != nil {
		return nil, err
	}
	index := properties(file, ipco) + 1
	if index > 127 {
		return nil, errShape
	}
	last := count + 1 + int(file[count]) // behind the picture's properties
	file[count]++
	for _, g := range []struct {
		box
		by int
	}{{meta, more}, {iprp, more}, {ipco, len(prof)}, {ipma, 1}} {
		binary.BigEndian.PutUint32(file[g.start:], uint32(g.end-g.start+g.by))
	}
	return slices.Concat(file[:ipco.end], prof, file[ipco.end:last], []byte{byte(index)}, file[last:]), nil
}

// properties is how many boxes are in ipco, which find walked before.
func properties(file []byte, ipco box) (n int) {
	for at := ipco.start + 8; at+8 <= ipco.end; n++ {
		at += max(8, int(binary.BigEndian.Uint32(file[at:])))
	}
	return n
}

// entryOf returns the place of the byte that counts the properties of the picture
// itself, which is not its alpha.
func entryOf(file []byte, meta, ipma box) (int, error) {
	pitm, err := find(file, meta.start+12, meta.end, "pitm")
	if err != nil || pitm.end-pitm.start != 14 || ipma.end-ipma.start < 16 || binary.BigEndian.Uint32(file[ipma.start+8:]) != 0 {
		return 0, errShape // version 0: numbers of 16 bits, properties of 8
	}
	primary := binary.BigEndian.Uint16(file[pitm.start+12:])
	entries := binary.BigEndian.Uint32(file[ipma.start+12:])
	at := ipma.start + 16
	for range entries {
		if at+3 > ipma.end || at+3+int(file[at+2]) > ipma.end {
			break
		}
		if binary.BigEndian.Uint16(file[at:]) == primary {
			return at + 2, nil
		}
		at += 3 + int(file[at+2])
	}
	return 0, errShape
}

// move notes that the data, which lies behind meta, begins by bytes later.
func move(file []byte, meta box, by int) error {
	iloc, err := find(file, meta.start+12, meta.end, "iloc")
	if err != nil || iloc.end-iloc.start < 16 || binary.BigEndian.Uint32(file[iloc.start+8:]) != 0 || file[iloc.start+12] != 0x44 || file[iloc.start+13] != 0 {
		return errShape // version 0: 4 bytes for offset and length each
	}
	items := binary.BigEndian.Uint16(file[iloc.start+14:])
	at := iloc.start + 16
	for range items {
		if at+6 > iloc.end {
			return errShape
		}
		extents := int(binary.BigEndian.Uint16(file[at+4:]))
		at += 6
		if at+8*extents > iloc.end {
			return errShape
		}
		for range extents {
			binary.BigEndian.PutUint32(file[at:], binary.BigEndian.Uint32(file[at:])+uint32(by))
			at += 8
		}
	}
	return nil
}
