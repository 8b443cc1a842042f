package picture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/picture"
)

// upright is a picture whose corners tell which way it lies.
func upright() *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, 96, 64))
	for y := range 64 {
		for x := range 96 {
			c := color.RGBA{128, 128, 128, 255}
			switch {
			case x < 32 && y < 32:
				c = color.RGBA{220, 20, 20, 255}
			case x >= 64 && y < 32:
				c = color.RGBA{20, 200, 20, 255}
			case x < 32 && y >= 32:
				c = color.RGBA{20, 20, 220, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

// stored returns how a camera stores m with an orientation: TIFF 6.0, page 36,
// says which side of the picture row 0 and column 0 are.
func stored(m *image.RGBA, orientation int) *image.RGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	sw, sh := w, h
	if orientation >= 5 {
		sw, sh = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, sw, sh))
	for r := range sh {
		for c := range sw {
			x, y := 0, 0
			switch orientation {
			case 1: // row 0 is the top, column 0 the left side
				x, y = c, r
			case 2: // top, right
				x, y = w-1-c, r
			case 3: // bottom, right
				x, y = w-1-c, h-1-r
			case 4: // bottom, left
				x, y = c, h-1-r
			case 5: // left, top
				x, y = r, c
			case 6: // right, top
				x, y = w-1-r, c
			case 7: // right, bottom
				x, y = w-1-r, h-1-c
			case 8: // left, bottom
				x, y = r, h-1-c
			}
			out.SetRGBA(c, r, m.RGBAAt(x, y))
		}
	}
	return out
}

func TestOrientations(t *testing.T) {
	want := upright()
	for o := 1; o <= 8; o++ {
		for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
			b := insertAfter(asJPEG(t, stored(want, o), 95), 2, segment(0xe1, exif(order, o)))
			info, err := picture.Inspect(bytes.NewReader(b))
			if err != nil || info.Orientation != o || info.Width != 96 || info.Height != 64 {
				t.Fatalf("orientation %d: %+v, %v", o, info, err)
			}
			v := one(t, b, picture.Spec{Quality: 95})
			if d := distance(t, decoded(t, v.Data), want); d > 4 {
				t.Errorf("orientation %d: %.1f off", o, d)
			}
			// Stripped, it still stands.
			var out bytes.Buffer
			if err := picture.StripJPEG(&out, bytes.NewReader(b)); err != nil {
				t.Fatal(err)
			}
			v = one(t, out.Bytes(), picture.Spec{Quality: 95})
			if d := distance(t, decoded(t, v.Data), want); d > 4 {
				t.Errorf("orientation %d, stripped: %.1f off", o, d)
			}
			// Cut to a square, the middle of what is shown.
			v = one(t, b, picture.Spec{Width: 32, Height: 64, Fit: picture.Cover, Quality: 95})
			middle := image.NewRGBA(image.Rect(0, 0, 32, 64))
			for i := range middle.Pix {
				middle.Pix[i] = want.Pix[want.PixOffset(32+i/4%32, i/128)+i%4]
			}
			if d := distance(t, decoded(t, v.Data), middle); d > 4 {
				t.Errorf("orientation %d, the middle: %.1f off", o, d)
			}
		}
	}
}

func TestStripJPEG(t *testing.T) {
	clean := asJPEG(t, scene(120, 80), 85)
	icc := iccSegments(fakeProfile("RGB ", 3000))
	var dirty []byte
	dirty = append(dirty, segment(0xe0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x02\x01THUMBN"))...)
	dirty = append(dirty, segment(0xe0, []byte("JFXX\x00\x10THUMBNAIL"))...)
	dirty = append(dirty, segment(0xe1, exif(binary.BigEndian, 1))...)
	dirty = append(dirty, segment(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>SECRET</x:xmpmeta>"))...)
	dirty = append(dirty, icc...)
	dirty = append(dirty, segment(0xe2, []byte("MPF\x00SECRET"))...)
	dirty = append(dirty, segment(0xed, []byte("Photoshop 3.0\x008BIM SECRET"))...)
	dirty = append(dirty, segment(0xee, []byte("Adobe\x00\x64\x00\x00\x00\x00\x01SECRET"))...)
	dirty = append(dirty, segment(0xfe, []byte("SECRET comment"))...)
	b := append(insertAfter(clean, 2, dirty), "SECRET trailer: a film"...)

	var out bytes.Buffer
	if err := picture.StripJPEG(&out, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"SECRET", "THUMB", "GPS", "ACM", "Exif", "xmp"} {
		if bytes.Contains(out.Bytes(), []byte(word)) {
			t.Errorf("%q is still there", word)
		}
	}
	if d := distance(t, decoded(t, out.Bytes()), decoded(t, clean)); d != 0 {
		t.Errorf("the pixels changed by %.2f", d)
	}
	var again bytes.Buffer
	if err := picture.Strip(&again, bytes.NewReader(out.Bytes())); err != nil || !bytes.Equal(again.Bytes(), out.Bytes()) {
		t.Errorf("stripping twice is not stripping once: %v", err)
	}
	var names []string
	for _, s := range segmentsOf(t, out.Bytes()) {
		names = append(names, string(s[1:min(len(s), 5)]))
	}
	if got := strings.Join(names[:3], " "); got != "JFIF ICC_ Adob" {
		t.Errorf("the first segments are %q", got)
	}
	if err := picture.StripJPEG(&out, bytes.NewReader(asPNG(t, upright()))); !errors.Is(err, picture.ErrFormat) {
		t.Errorf("StripJPEG of a PNG: %v", err)
	}
}

func TestStripOthers(t *testing.T) {
	pngs := insertAfter(asPNG(t, upright()), 33, append(append(
		pngChunk("tEXt", []byte("Comment\x00SECRET")), pngChunk("eXIf", exif(binary.BigEndian, 1)[6:])...),
		pngChunk("pHYs", []byte{0, 0, 11, 18, 0, 0, 11, 18, 1})...))
	pngs = append(pngs, "SECRET trailer"...)

	g := image.NewPaletted(image.Rect(0, 0, 20, 20), palette.Plan9)
	var gb bytes.Buffer
	if err := gif.EncodeAll(&gb, &gif.GIF{Image: []*image.Paletted{g, g}, Delay: []int{5, 5}}); err != nil {
		t.Fatal(err)
	}
	gifs := insertAfter(gb.Bytes(), len(gb.Bytes())-1, []byte("\x21\xfe\x06SECRET\x00\x21\xff\x0bXMP DataXMP\x06SECRET\x00"))

	webp := file(t, "yellow_rose.lossy-with-alpha.webp")
	webp[20] |= 0x0c // says that EXIF and XMP follow
	for _, c := range []string{"EXIF", "XMP "} {
		body := append(exif(binary.LittleEndian, 6), "SECRET"...)
		if len(body)&1 != 0 { // chunks have even lengths
			body = append(body, 0)
		}
		chunk := binary.LittleEndian.AppendUint32([]byte(c), uint32(len(body)))
		webp = append(append(webp, chunk...), body...)
	}
	binary.LittleEndian.PutUint32(webp[4:], uint32(len(webp)-8))

	for name, b := range map[string][]byte{"png": pngs, "gif": gifs, "webp": webp} {
		if !bytes.Contains(b, []byte("SECRET")) {
			t.Fatalf("%s: the test itself has no secret", name)
		}
		before, err := picture.Inspect(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var out bytes.Buffer
		if err := picture.Strip(&out, bytes.NewReader(b)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if bytes.Contains(out.Bytes(), []byte("SECRET")) || bytes.Contains(out.Bytes(), []byte("GPS")) {
			t.Errorf("%s: the secret is still there", name)
		}
		after, err := picture.Inspect(bytes.NewReader(out.Bytes()))
		if err != nil || after != before {
			t.Errorf("%s: %+v became %+v, %v", name, before, after, err)
		}
		x, y := one(t, b, picture.Spec{Format: picture.PNG}), one(t, out.Bytes(), picture.Spec{Format: picture.PNG})
		if !bytes.Equal(x.Data, y.Data) {
			t.Errorf("%s: the pixels changed", name)
		}
		if name == "webp" && (before.Orientation != 6 || x.Width != before.Width || before.Width >= before.Height) {
			t.Errorf("webp: %+v, made %dx%d; want it turned", before, x.Width, x.Height)
		}
		for cut := 1; cut < out.Len()-20; cut += 1 + out.Len()/50 {
			err := picture.Strip(&bytes.Buffer{}, bytes.NewReader(out.Bytes()[:out.Len()-cut]))
			if !errors.Is(err, picture.ErrBroken) {
				t.Fatalf("%s without its last %d bytes: %v", name, cut, err)
			}
		}
	}
}

type fullDisk struct{ left int }

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errFull = errors.New("no space left")

func TestStripReportsTheWriter(t *testing.T) {
	b := asJPEG(t, scene(300, 200), 90)
	for _, room := range []int{0, 1, 100, 5000} {
		if err := picture.Strip(&fullDisk{room}, bytes.NewReader(b)); !errors.Is(err, errFull) || errors.Is(err, picture.ErrBroken) {
			t.Errorf("room for %d bytes: %v, want the writer's error", room, err)
		}
	}
}
