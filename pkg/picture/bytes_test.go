package picture_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"

	"github.com/porticod/portico/pkg/picture"
)

// Pieces of files, written by hand, so that the tests do not read with what they
// test.

func insertAfter(b []byte, at int, part []byte) []byte {
	out := append([]byte{}, b[:at]...)
	return append(append(out, part...), b[at:]...)
}

func segment(m byte, b []byte) []byte {
	n := len(b) + 2
	return append([]byte{0xff, m, byte(n >> 8), byte(n)}, b...)
}

func fakeProfile(space string, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	binary.BigEndian.PutUint32(b, uint32(n))
	copy(b[16:], space)
	copy(b[36:], "acsp")
	return b
}

func iccSegments(icc []byte) (out []byte) {
	const part = 60_000
	count := (len(icc) + part - 1) / part
	for i := range count {
		p := icc[i*part : min((i+1)*part, len(icc))]
		out = append(out, segment(0xe2, append([]byte("ICC_PROFILE\x00"), append([]byte{byte(i + 1), byte(count)}, p...)...))...)
	}
	return out
}

func pngChunk(typ string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, typ...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func iccChunk(icc []byte) []byte {
	var b bytes.Buffer
	b.WriteString("name\x00\x00")
	z := zlib.NewWriter(&b)
	z.Write(icc)
	z.Close()
	return pngChunk("iCCP", b.Bytes())
}

// exif is an EXIF segment with an orientation, a place and a thumbnail.
func exif(order binary.ByteOrder, orientation int) []byte {
	b := []byte("Exif\x00\x00")
	magic := "MM\x00*"
	if order == binary.LittleEndian {
		magic = "II*\x00"
	}
	t := append([]byte(magic), 0, 0, 0, 0)
	order.PutUint32(t[4:], 8)
	put16 := func(v int) { t = append(t, 0, 0); order.PutUint16(t[len(t)-2:], uint16(v)) }
	put32 := func(v int) { t = append(t, 0, 0, 0, 0); order.PutUint32(t[len(t)-4:], uint32(v)) }
	put16(3)
	put16(0x010f) // maker
	put16(2)
	put32(4)
	t = append(t, "ACM\x00"...)
	put16(0x0112) // orientation
	put16(3)
	put32(1)
	put16(orientation)
	put16(0)
	put16(0x8825) // places
	put16(4)
	put32(1)
	put32(60)
	put32(0)
	t = append(t, "GPS SECRET PLACE 51.5N 0.1W THUMBNAIL"...)
	return append(b, t...)
}

// segmentsOf lists the markers of a JPEG up to its first scan.
func segmentsOf(t testing.TB, b []byte) (out []string) {
	t.Helper()
	for i := 2; i+4 <= len(b); {
		if b[i] != 0xff {
			t.Fatalf("no marker at %d", i)
		}
		n := int(binary.BigEndian.Uint16(b[i+2:]))
		out = append(out, string(b[i+1:i+2])+string(b[i+4:i+2+n]))
		if b[i+1] == 0xda {
			return out
		}
		i += 2 + n
	}
	t.Fatal("no scan")
	return nil
}

// profileOf takes the profile out of a variant.
func profileOf(t testing.TB, v picture.Variant) (icc []byte) {
	t.Helper()
	if v.Format == picture.JPEG {
		for i := 2; v.Data[i+1] != 0xda; {
			n := int(binary.BigEndian.Uint16(v.Data[i+2:]))
			if p := v.Data[i+4 : i+2+n]; v.Data[i+1] == 0xe2 && bytes.HasPrefix(p, []byte("ICC_PROFILE\x00")) {
				icc = append(icc, p[14:]...)
			}
			i += 2 + n
		}
		return icc
	}
	for i := 8; i < len(v.Data); {
		n := int(binary.BigEndian.Uint32(v.Data[i:]))
		if string(v.Data[i+4:i+8]) == "iCCP" {
			_, z, _ := bytes.Cut(v.Data[i+8:i+8+n], []byte{0})
			r, err := zlib.NewReader(bytes.NewReader(z[1:]))
			if err != nil {
				t.Fatal(err)
			}
			icc, _ = io.ReadAll(r)
		}
		i += 12 + n
	}
	return icc
}
