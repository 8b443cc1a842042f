// Package scene paints pictures from formulas, for samples and demos: own work,
// the same on every run. It draws no text and no people.
package scene

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
)

// A Color has parts from 0 to 1.
type Color struct{ r, g, b float64 }

// A Painting gives the color of each place: x from 0 to 1, y downwards from 0 to 1.
type Painting func(x, y float64) Color

// Hex is the color 0xRRGGBB.
func Hex(v uint32) Color {
	return Color{float64(v>>16&255) / 255, float64(v>>8&255) / 255, float64(v&255) / 255}
}

// Mix is a where t is 0 or less, b where it is 1 or more, and between them else.
func Mix(a, b Color, t float64) Color {
	t = min(max(t, 0), 1)
	return Color{a.r + (b.r-a.r)*t, a.g + (b.g-a.g)*t, a.b + (b.b-a.b)*t}
}

// Add is the light of a and t times that of b.
func (a Color) Add(b Color, t float64) Color {
	return Color{a.r + b.r*t, a.g + b.g*t, a.b + b.b*t}
}

// Opaque is the color in bytes.
func (a Color) Opaque() color.RGBA {
	part := func(v float64) uint8 { return uint8(min(max(v*255+0.5, 0), 255)) }
	return color.RGBA{part(a.r), part(a.g), part(a.b), 255}
}

// far tells colors apart whose border would be seen as steps.
func (a Color) far(b Color) bool {
	return math.Abs(a.r-b.r)+math.Abs(a.g-b.g)+math.Abs(a.b-b.b) > 0.12
}

// JPEG paints p in w times h pixels. It looks four times at pixels that differ
// from their neighbours, once at others.
func (p Painting) JPEG(w, h int) ([]byte, error) {
	once := make([]Color, w*h)
	for i := range once {
		once[i] = p.at(i%w, i/w, 0.5, 0.5, w, h)
	}
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i, c := range once {
		x, y := i%w, i/w
		if x > 0 && c.far(once[i-1]) || x+1 < w && c.far(once[i+1]) || y > 0 && c.far(once[i-w]) || y+1 < h && c.far(once[i+w]) {
			c = Color{}
			for _, d := range [][2]float64{{.25, .25}, {.75, .25}, {.25, .75}, {.75, .75}} {
				c = c.Add(p.at(x, y, d[0], d[1], w, h), 0.25)
			}
		}
		m.SetRGBA(x, y, c.Opaque())
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 86}); err != nil {
		return nil, fmt.Errorf("encode a painting: %w", err)
	}
	return b.Bytes(), nil
}

func (p Painting) at(x, y int, dx, dy float64, w, h int) Color {
	return p((float64(x)+dx)/float64(w), (float64(y)+dy)/float64(h))
}

// Part is what p shows in the rectangle from x, y, w wide and h high.
func (p Painting) Part(x, y, w, h float64) Painting {
	return func(u, v float64) Color { return p(x+u*w, y+v*h) }
}
