package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
)

// madeWidth is how wide the measured versions are: a step of the ladder.
const madeWidth = 640

// makePictures has portico make a version of each size and stores it beside the
// sources, so that every server delivers the same bytes. It returns their sizes.
func makePictures(root, addr string) ([]int, error) {
	var sizes []int
	for _, k := range kib {
		rows, amplitude := 400, 100
		if k == 1 {
			rows, amplitude = 100, 0
		}
		var body []byte
		for range 6 { // each time nearer, by the bytes that a row takes
			m := noise(2*madeWidth, 2*rows, amplitude)
			var b bytes.Buffer
			if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
				return nil, err
			}
			if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("from-%d.jpg", k)), b.Bytes(), 0o644); err != nil {
				return nil, err
			}
			var err error
			if body, err = fetch(fmt.Sprintf("http://%s/from-%d.jpg?w=%d", addr, k, madeWidth)); err != nil {
				return nil, err
			}
			if off := float64(len(body)) / float64(k<<10); off < 0.97 || off > 1.03 {
				rows = max(8, int(float64(rows)/off))
				continue
			}
			break
		}
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("made-%d.jpg", k)), body, 0o644); err != nil {
			return nil, err
		}
		sizes = append(sizes, len(body))
	}
	return sizes, nil
}

// noise is a picture that does not compress well.
func noise(w, h, amplitude int) image.Image {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			n := uint8(128)
			if amplitude > 0 {
				n += uint8(r.IntN(2*amplitude) - amplitude)
			}
			m.SetRGBA(x, y, color.RGBA{n, n, 128, 255})
		}
	}
	return m
}

func fetch(url string) ([]byte, error) {
	res, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, res.Status, body)
	}
	return body, err
}
