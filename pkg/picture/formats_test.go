package picture_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/picture"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// one makes a single variant of b.
func one(t testing.TB, b []byte, s picture.Spec) picture.Variant {
	t.Helper()
	res, err := picture.NewPool(picture.Options{}).Make(context.Background(), bytes.NewReader(b), picture.Job{Specs: []picture.Spec{s}})
	if err != nil {
		t.Fatal(err)
	}
	return res.Variants[0]
}

// distance is how far two pictures are from each other: the mean difference of a
// channel, from 0 to 255.
func distance(t testing.TB, a, b image.Image) float64 {
	t.Helper()
	if a.Bounds().Size() != b.Bounds().Size() {
		t.Fatalf("sizes differ: %v and %v", a.Bounds(), b.Bounds())
	}
	var sum float64
	n := 0
	for ch := range 3 {
		x, _, _ := channel(a, ch)
		y, _, _ := channel(b, ch)
		for i := range x {
			sum += max(x[i]-y[i], y[i]-x[i])
			n++
		}
	}
	return sum / float64(n)
}

// Every kind of file that is read comes out as the picture that it is.
func TestFormats(t *testing.T) {
	for name, want := range map[string]struct {
		format        picture.Format
		like          string
		off           float64
		alpha         bool
		progressive   bool
		width, height int
	}{
		"video-001.jpeg":                      {picture.JPEG, "video-001.png", 6, false, false, 150, 103},
		"video-001.progressive.jpeg":          {picture.JPEG, "video-001.png", 6, false, true, 150, 103},
		"video-001.221212.jpeg":               {picture.JPEG, "video-001.png", 6, false, false, 150, 103},
		"video-001.q50.410.jpeg":              {picture.JPEG, "video-001.png", 11, false, false, 150, 103},
		"video-001.q50.411.jpeg":              {picture.JPEG, "video-001.png", 11, false, false, 150, 103},
		"video-001.q50.422.jpeg":              {picture.JPEG, "video-001.png", 8, false, false, 150, 103},
		"video-001.q50.440.jpeg":              {picture.JPEG, "video-001.png", 8, false, false, 150, 103},
		"video-001.q50.444.jpeg":              {picture.JPEG, "video-001.png", 8, false, false, 150, 103},
		"video-001.rgb.jpeg":                  {picture.JPEG, "", 0, false, false, 0, 0},
		"video-001.cmyk.jpeg":                 {picture.JPEG, "", 0, false, false, 150, 103},
		"video-001.restart2.jpeg":             {picture.JPEG, "video-001.png", 6, false, false, 150, 103},
		"video-005.gray.jpeg":                 {picture.JPEG, "video-005.gray.png", 4, false, false, 150, 103},
		"video-001.png":                       {picture.PNG, "video-001.png", 3, false, false, 150, 103},
		"video-001.interlaced.gif":            {picture.GIF, "video-001.png", 12, false, false, 150, 103},
		"blue-purple-pink.lossy.webp":         {picture.WebP, "blue-purple-pink.png", 5, false, false, 150, 100},
		"yellow_rose.lossy-with-alpha.webp":   {picture.WebP, "", 0, true, false, 400, 301},
		"gopher-doc.with-alpha.lossless.webp": {picture.WebP, "", 0, true, false, 256, 256},
	} {
		t.Run(name, func(t *testing.T) {
			b := file(t, name)
			info, err := picture.Inspect(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if info.Format != want.format || info.Alpha != want.alpha || info.Progressive != want.progressive || info.Frames != 1 || info.Orientation != 1 {
				t.Errorf("info: %+v", info)
			}
			v := one(t, b, picture.Spec{Quality: 95})
			got := decoded(t, v.Data)
			if want.like == "" {
				cfg := got.Bounds().Size()
				if cfg != image.Pt(info.Width, info.Height) {
					t.Errorf("%v pixels, the header says %dx%d", cfg, info.Width, info.Height)
				}
				return
			}
			if info.Width != want.width || info.Height != want.height {
				t.Errorf("%dx%d", info.Width, info.Height)
			}
			if d := distance(t, got, decoded(t, file(t, want.like))); d > want.off {
				t.Errorf("the picture is %.2f off, want at most %.2f", d, want.off)
			}
		})
	}
}

func TestTransparency(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 200, 100))
	for y := range 100 {
		for x := range 200 {
			m.SetNRGBA(x, y, color.NRGBA{200, 100, 50, uint8(min(x*2, 255))})
		}
	}
	b := asPNG(t, m)
	v := one(t, b, picture.Spec{Width: 50})
	if v.Format != picture.PNG {
		t.Fatalf("a PNG with transparency became %v", v.Format)
	}
	got := decoded(t, v.Data).(*image.NRGBA)
	for _, x := range []int{5, 20, 40} {
		c, want := got.NRGBAAt(x, 10), min(x*8+3, 255)
		if int(c.A) < want-4 || int(c.A) > want+4 || c.R < 195 || c.R > 205 {
			t.Errorf("at %d: %v, want alpha %d and color kept", x, c, want)
		}
	}
	// On white where the format has no transparency.
	v = one(t, b, picture.Spec{Width: 50, Format: picture.JPEG})
	r, _, bl, _ := decoded(t, v.Data).At(1, 10).RGBA()
	if v.Format != picture.JPEG || r>>8 < 240 || bl>>8 < 240 {
		t.Errorf("%v with %d, %d at its transparent side, want JPEG on white", v.Format, r>>8, bl>>8)
	}
	// An alpha channel that is not used is none.
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 255
	}
	if v := one(t, asPNG(t, m), picture.Spec{Width: 50}); v.Format != picture.JPEG {
		t.Errorf("an opaque PNG became %v", v.Format)
	}
}

func TestGIF(t *testing.T) {
	pal := color.Palette{color.RGBA{}, color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}}
	frame := func(r image.Rectangle, c uint8) *image.Paletted {
		m := image.NewPaletted(r, pal)
		for i := range m.Pix {
			m.Pix[i] = c
		}
		return m
	}
	g := &gif.GIF{
		Image:  []*image.Paletted{frame(image.Rect(20, 0, 40, 40), 1), frame(image.Rect(0, 0, 40, 40), 2)},
		Delay:  []int{10, 10},
		Config: image.Config{ColorModel: pal, Width: 40, Height: 40},
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	info, err := picture.Inspect(bytes.NewReader(b.Bytes()))
	if err != nil || info.Frames != 2 || info.Width != 40 || !info.Alpha {
		t.Fatalf("info: %+v, %v", info, err)
	}
	got := decoded(t, one(t, b.Bytes(), picture.Spec{}).Data)
	if _, _, _, a := got.At(5, 5).RGBA(); a != 0 {
		t.Errorf("left of the first frame: alpha %d", a)
	}
	if r, _, bl, a := got.At(30, 5).RGBA(); r>>8 != 255 || bl != 0 || a>>8 != 255 {
		t.Errorf("in the first frame: %d %d %d", r>>8, bl>>8, a>>8)
	}
	for cut := 1; cut < b.Len(); cut += 7 {
		if _, err := picture.Inspect(bytes.NewReader(b.Bytes()[:b.Len()-cut])); !errors.Is(err, picture.ErrBroken) && !errors.Is(err, picture.ErrFormat) {
			t.Errorf("without its last %d bytes: %v", cut, err)
		}
	}
}

func Test16BitPNG(t *testing.T) {
	m := image.NewNRGBA64(image.Rect(0, 0, 64, 48))
	for y := range 48 {
		for x := range 64 {
			m.SetNRGBA64(x, y, color.NRGBA64{uint16(x * 1000), uint16(y * 1300), 9000, 0xffff})
		}
	}
	got := decoded(t, one(t, asPNG(t, m), picture.Spec{Quality: 95}).Data)
	if d := distance(t, got, m); d > 4 {
		t.Errorf("16 bits: %.2f off", d)
	}
}

func TestSniff(t *testing.T) {
	for in, want := range map[string]picture.Format{
		"": picture.Auto, "\xff\xd8": picture.Auto, "\xff\xd8\xff\xe0": picture.JPEG,
		"\x89PNG\r\n\x1a\n": picture.PNG, "GIF89a": picture.GIF, "GIF87a...": picture.GIF,
		"RIFF....WEBPVP8 ": picture.WebP, "RIFF....WAVE": picture.Auto,
		"<svg xmlns=": picture.Auto, "II*\x00": picture.Auto, "<html>": picture.Auto, "BM": picture.Auto,
	} {
		if got := picture.Sniff([]byte(in)); got != want {
			t.Errorf("Sniff(%q) = %v, want %v", in, got, want)
		}
	}
	_, err := picture.Inspect(strings.NewReader("<svg xmlns='http://www.w3.org/2000/svg'/>"))
	if !errors.Is(err, picture.ErrFormat) {
		t.Errorf("SVG: %v, want ErrFormat", err)
	}
}

// A color profile of the right kind stays, in JPEG and PNG alike.
func TestColorProfileStays(t *testing.T) {
	icc := fakeProfile("RGB ", 150_000) // more than a JPEG segment holds
	m := scene(120, 80)
	withICC := map[string][]byte{
		"jpeg": insertAfter(asJPEG(t, m, 90), 2, iccSegments(icc)),
		"png":  insertAfter(asPNG(t, m), 33, iccChunk(icc)),
	}
	for name, b := range withICC {
		for _, f := range []picture.Format{picture.JPEG, picture.PNG} {
			v := one(t, b, picture.Spec{Width: 60, Format: f})
			decoded(t, v.Data) // the file is still a good one
			if got := profileOf(t, v); !bytes.Equal(got, icc) {
				t.Errorf("%s to %v: a profile of %d bytes, want %d", name, f, len(got), len(icc))
			}
		}
		var out bytes.Buffer
		if err := picture.Strip(&out, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		if v := one(t, out.Bytes(), picture.Spec{Width: 60}); !bytes.Equal(profileOf(t, v), icc) {
			t.Errorf("%s: the profile did not survive Strip", name)
		}
	}
	// One for other colors than come out, and one that is nonsense, go.
	for _, bad := range [][]byte{fakeProfile("CMYK", 500), []byte(strings.Repeat("x", 500))} {
		v := one(t, insertAfter(asJPEG(t, m, 90), 2, iccSegments(bad)), picture.Spec{Width: 60})
		if got := profileOf(t, v); len(got) != 0 {
			t.Errorf("a bad profile of %d bytes stayed", len(got))
		}
	}
}
