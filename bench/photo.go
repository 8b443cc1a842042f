package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
)

// writePhotos writes n files that look like photos to a decoder: detail at every
// scale, edges, noise. They differ by a comment alone, so that nothing can take
// one for another, and cost the same.
func writePhotos(dir string, n int) (names []string, photo []byte, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, drawPhoto(photoWide, photoHigh), &jpeg.Options{Quality: 90}); err != nil {
		return nil, nil, err
	}
	photo = b.Bytes()
	for i := range n {
		name := fmt.Sprintf("photo-%03d.jpg", i)
		if err := os.WriteFile(filepath.Join(dir, name), withComment(photo, name), 0o644); err != nil {
			return nil, nil, err
		}
		names = append(names, name)
	}
	return names, photo, nil
}

// withComment puts a comment after a JPEG's first marker.
func withComment(photo []byte, comment string) []byte {
	out := append([]byte{}, photo[:2]...)
	out = append(out, 0xff, 0xfe)
	out = binary.BigEndian.AppendUint16(out, uint16(len(comment)+2))
	return append(append(out, comment...), photo[2:]...)
}

// The pictures have 12 megapixels.
const photoWide, photoHigh = 4032, 3024

// octaves of noise make a photo; the coarsest has cells of 1 << octaves pixels.
const octaves = 9

func drawPhoto(w, h int) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	seed := uint32(7)
	random := func() float32 {
		seed ^= seed << 13
		seed ^= seed >> 17
		seed ^= seed << 5
		return float32(seed)/(1<<31) - 1
	}
	var grids [octaves][]float32
	for o := range grids {
		grids[o] = make([]float32, (w>>(octaves-o)+3)*(h>>(octaves-o)+3))
		for i := range grids[o] {
			grids[o][i] = random()
		}
	}
	at := func(x, y int) (sum float32) {
		amp := float32(60)
		for o, g := range grids {
			shift := octaves - o
			cell, wide := 1<<shift, w>>shift+3
			fx, fy := float32(x&(cell-1))/float32(cell), float32(y&(cell-1))/float32(cell)
			g = g[(y>>shift)*wide+x>>shift:]
			top := g[0] + (g[1]-g[0])*fx
			bottom := g[wide] + (g[wide+1]-g[wide])*fx
			sum += amp * (top + (bottom-top)*fy)
			amp *= 0.7
		}
		return sum
	}
	byteOf := func(v float32) uint8 { return uint8(max(0, min(255, math.Round(float64(v))))) }
	for i := range m.Y {
		x, y := i%m.YStride, i/m.YStride
		v := 128 + at(x, y)
		if (x*7/w+y*5/h)%3 == 0 {
			v = v*0.6 + 90
		}
		m.Y[i] = byteOf(v + random()*9)
	}
	for i := range m.Cb {
		x, y := i%m.CStride, i/m.CStride
		m.Cb[i], m.Cr[i] = byteOf(128+at(x, h-1-y)/2), byteOf(128+at(w-1-x, y)/2)
	}
	return m
}
