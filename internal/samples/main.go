// Command samples makes the pictures in images/: own work, from formulas, the
// same on every run. It is run by hand, from the top of the tree:
//
//	go run ./internal/samples images
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"

	"github.com/porticod/portico/pkg/demo/scene"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/picture/jpegenc"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: samples FOLDER")
		os.Exit(2)
	}
	if err := makeAll(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "samples:", err)
		os.Exit(1)
	}
}

func makeAll(dir string) error {
	for _, s := range []struct {
		name string
		data func() ([]byte, error)
	}{
		{"aurora.jpg", photo(1600, 1067, scene.Aurora)},
		{"dunes.jpg", photo(1600, 1067, scene.Dunes)},
		{"hills.jpg", photo(1600, 1067, scene.Hills)},
		{"lake.jpg", photo(1600, 1200, scene.Lake)},
		// Stored on its side, with an orientation that stands it up.
		{"columns.jpg", turned(photo(1350, 900, func(x, y float64) scene.Color { return scene.Columns(1-y, x) }))},
		{"patterns/julia.png", paletted(800, 600)},
		{"patterns/glass.png", glass(720, 720)},
		{"patterns/ripples.jpg", photo(1280, 960, scene.Ripples)},
	} {
		data, err := s.data()
		if err != nil {
			return fmt.Errorf("make %s: %w", s.name, err)
		}
		path := filepath.Join(dir, s.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
		fmt.Printf("%7d %s\n", len(data), path)
	}
	return nil
}

// photo paints f, whose x runs from 0 to 1 and y downwards from 0 to 1, with four
// samples a pixel.
func photo(w, h int, f func(x, y float64) scene.Color) func() ([]byte, error) {
	return func() ([]byte, error) {
		m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio444)
		for y := range h {
			for x := range w {
				var c scene.Color
				for _, d := range [][2]float64{{.25, .25}, {.75, .25}, {.25, .75}, {.75, .75}} {
					c = c.Add(f((float64(x)+d[0])/float64(w), (float64(y)+d[1])/float64(h)), 0.25)
				}
				i := m.YOffset(x, y)
				p := c.Opaque()
				m.Y[i], m.Cb[i], m.Cr[i] = color.RGBToYCbCr(p.R, p.G, p.B)
			}
		}
		var b bytes.Buffer
		err := new(jpegenc.Codec).EncodeJPEG(&b, m, 84, true)
		return b.Bytes(), err
	}
}

// turned gives a JPEG the EXIF orientation 6: to be turned a quarter clockwise.
func turned(photo func() ([]byte, error)) func() ([]byte, error) {
	return func() ([]byte, error) {
		b, err := photo()
		if err != nil {
			return nil, err
		}
		exif := "\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
		out := append([]byte(b[:2:2]), exif...)
		out = append(out, b[2:]...)
		info, err := picture.Inspect(bytes.NewReader(out))
		if err == nil && info.Orientation != 6 {
			err = fmt.Errorf("the orientation is %d", info.Orientation)
		}
		return out, err
	}
}

func encodePNG(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, m)
	return b.Bytes(), err
}

// paletted is a Julia set in 64 colors.
func paletted(w, h int) func() ([]byte, error) {
	return func() ([]byte, error) {
		var pal color.Palette
		for i := range 64 {
			t := float64(i) / 63
			c := scene.Mix(scene.Mix(scene.Hex(0x0b1026), scene.Hex(0x2f6fb3), t*2), scene.Mix(scene.Hex(0xf2c14e), scene.Hex(0xfff7e0), t*2-1), t*1.6-0.3)
			pal = append(pal, c.Opaque())
		}
		m := image.NewPaletted(image.Rect(0, 0, w, h), pal)
		for y := range h {
			for x := range w {
				z := complex((float64(x)/float64(w)-0.5)*3.2, (float64(y)/float64(h)-0.5)*2.4)
				n := 0.0
				for range 200 {
					z = z*z + complex(-0.79, 0.15)
					if r := real(z)*real(z) + imag(z)*imag(z); r > 64 {
						n -= math.Log2(math.Log2(r) / 2)
						break
					}
					n++
				}
				m.SetColorIndex(x, y, uint8(min(max(math.Sqrt(n/80)*63, 0), 63)))
			}
		}
		return encodePNG(m)
	}
}

// glass is five translucent discs on nothing.
func glass(w, h int) func() ([]byte, error) {
	return func() ([]byte, error) {
		m := image.NewNRGBA(image.Rect(0, 0, w, h))
		tints := []scene.Color{scene.Hex(0xe4572e), scene.Hex(0xf3a712), scene.Hex(0x29a19c), scene.Hex(0x2e6be4), scene.Hex(0x9b2ee4)}
		for y := range h {
			for x := range w {
				fx, fy := (float64(x)+0.5)/float64(w)-0.5, (float64(y)+0.5)/float64(h)-0.5
				var c scene.Color
				var a float64
				for i, t := range tints {
					at := float64(i)/5*2*math.Pi - math.Pi/2
					d := math.Hypot(fx-0.2*math.Cos(at), fy-0.2*math.Sin(at))
					cover := min(max((0.27-d)*float64(w)+0.5, 0), 1) * (0.55 + d)
					c = scene.Mix(c, t, cover/max(a+cover-a*cover, 1e-9))
					a += cover - a*cover
				}
				p := c.Opaque()
				m.SetNRGBA(x, y, color.NRGBA{p.R, p.G, p.B, uint8(min(max(a*255+0.5, 0), 255))})
			}
		}
		return encodePNG(m)
	}
}
