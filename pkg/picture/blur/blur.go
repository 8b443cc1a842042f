// Package blur draws what a blurhash says: the few bytes that a page can show at
// its first paint, before the picture itself is there. It makes no hashes.
package blur

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
)

// The size of what is drawn, in pixels; browsers blur it as they enlarge it.
const (
	width  = 8
	height = 6
)

// PNG draws a tiny picture; nil for a hash that is none.
func PNG(hash string) []byte {
	c, nx, ok := components(hash)
	if !ok {
		return nil
	}
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			var sum [3]float64
			for i, v := range c {
				f := math.Cos(math.Pi*(float64(x)+.5)*float64(i%nx)/width) * math.Cos(math.Pi*(float64(y)+.5)*float64(i/nx)/height)
				for k := range sum {
					sum[k] += v[k] * f
				}
			}
			m.SetNRGBA(x, y, color.NRGBA{gamma(sum[0]), gamma(sum[1]), gamma(sum[2]), 255})
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m); err != nil {
		return nil // into memory, it does not fail
	}
	return b.Bytes()
}

// DataURL is PNG as the address of an image; empty for a hash that is none.
func DataURL(hash string) string {
	b := PNG(hash)
	if b == nil {
		return ""
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b)
}

const base83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"

// components decodes a blurhash into the factors of its cosines, nx in a row,
// in linear light.
func components(hash string) (c [][3]float64, nx int, ok bool) {
	digits := make([]int, len(hash))
	for i := range hash {
		if digits[i] = strings.IndexByte(base83, hash[i]); digits[i] < 0 {
			return nil, 0, false
		}
	}
	if len(digits) < 6 {
		return nil, 0, false
	}
	nx = digits[0]%9 + 1
	n := nx * (digits[0]/9 + 1)
	if len(digits) != 4+2*n {
		return nil, 0, false
	}
	largest := float64(digits[1]+1) / 166
	dc := number(digits[2:6])
	c = append(c, [3]float64{linear(dc >> 16 & 255), linear(dc >> 8 & 255), linear(dc & 255)})
	for i := 1; i < n; i++ {
		v := number(digits[4+2*i : 6+2*i])
		part := func(q int) float64 { return math.Copysign(float64((q-9)*(q-9)), float64(q-9)) / 81 * largest }
		c = append(c, [3]float64{part(v / (19 * 19)), part(v / 19 % 19), part(v % 19)})
	}
	return c, nx, true
}

func number(digits []int) (n int) {
	for _, v := range digits {
		n = n*83 + v
	}
	return n
}

// linear and gamma are sRGB's transfer function, in both directions.
func linear(v int) float64 {
	f := float64(v) / 255
	if f <= 0.04045 {
		return f / 12.92
	}
	return math.Pow((f+0.055)/1.055, 2.4)
}

func gamma(f float64) uint8 {
	f = min(max(f, 0), 1)
	if f <= 0.0031308 {
		return uint8(f*12.92*255 + .5)
	}
	return uint8((1.055*math.Pow(f, 1/2.4)-.055)*255 + .5)
}
