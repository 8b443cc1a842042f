package options_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"net/http"
	"strings"
	"testing"
)

// width is how wide a picture is.
func (a answer) width(t testing.TB) int {
	t.Helper()
	c, _, err := image.DecodeConfig(bytes.NewReader([]byte(a.body)))
	if err != nil {
		t.Errorf("%s: %d %v: %.100q", a.Request.URL, a.StatusCode, err, a.body)
	}
	return c.Width
}

// sky is a smooth picture, which WebP makes smaller than JPEG.
func sky(t testing.TB, width, height int) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.RGBA{uint8(255 * x / width), uint8(255 * y / height), uint8(128 + 100*x*y/width/height), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// blank is a PNG in black, side by side pixels: many, in few bytes. The side is
// a multiple of eight.
func blank(side int) string {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		body := append([]byte(name), data...)
		_ = binary.Write(&b, binary.BigEndian, uint32(len(data)))
		b.Write(body)
		_ = binary.Write(&b, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(side))
	header = binary.BigEndian.AppendUint32(header, uint32(side))
	chunk("IHDR", append(header, 1, 3, 0, 0, 0)) // one bit, which is a color of a palette
	chunk("PLTE", make([]byte, 6))
	var rows bytes.Buffer
	z := zlib.NewWriter(&rows)
	_, _ = z.Write(make([]byte, (1+side/8)*side))
	_ = z.Close()
	chunk("IDAT", rows.Bytes())
	chunk("IEND", nil)
	return b.String()
}

const gallery = `
variable "dir" {}
limits { picture_memory = "200MiB" }
service "images" "usual" { root = var.dir }
service "images" "own" {
  root          = var.dir
  sign_key      = "the key that is in force"
  old_sign_keys = ["the key that was in force"]
  ladder        = [100, 200]
  quality       = 40
  max_pixels    = 100000
  webp          = false
  index         = false
}
service "images" "fresh" {
  root         = var.dir
  cache_size   = 0
  memory_cache = 0
}
service "images" "full" {
  root         = var.dir
  memory_cache = 0
  reserve      = "100000TiB"
}
service "images" "disk" {
  root         = var.dir
  memory_cache = 0
}
listener "usual" {
  address = "127.0.0.1:0"
  service = service.images.usual
}
listener "own" {
  address = "127.0.0.1:0"
  service = service.images.own
}
listener "fresh" {
  address = "127.0.0.1:0"
  service = service.images.fresh
}
listener "full" {
  address = "127.0.0.1:0"
  service = service.images.full
}
listener "disk" {
  address = "127.0.0.1:0"
  service = service.images.disk
}
`

// option: limits.picture_memory
// option: images.avif in services/images/avif_test.go
// option: images.root images.cache_size images.reserve images.memory_cache images.sign_key images.old_sign_keys
// option: images.ladder images.max_pixels images.quality images.webp images.index
func TestImages(t *testing.T) {
	t.Parallel()
	dir := files(t, "a.jpg", picture(t, 300, 200, 1), "sky.jpg", sky(t, 320, 200), "large.jpg", sky(t, 400, 300), "huge.png", blank(6400))
	d := start(t, gallery, "dir", dir)
	usual, own := d.URL("usual"), d.URL("own")

	usualWidth, ownWidth := get(t, usual+"/a.jpg?w=150"), get(t, own+"/a.jpg?w=150")
	if a, b := usualWidth.width(t), ownWidth.width(t); a != 160 || b != 200 {
		t.Errorf("the steps of the ladders above 150: %d and %d", a, b)
	}
	get(t, usual+"/large.jpg?w=160").is(t, http.StatusOK, "")
	get(t, own+"/large.jpg?w=100").is(t, http.StatusUnprocessableEntity, "")
	get(t, own+"/large.jpg").is(t, http.StatusOK, "")
	get(t, usual+"/").is(t, http.StatusOK, "")
	get(t, own+"/").is(t, http.StatusNotFound, "")

	for _, key := range []string{"the key that is in force", "the key that was in force"} {
		signed := sign(t, dir, key)
		if got := get(t, own+signed).width(t); got != 33 {
			t.Errorf("signed for 33 pixels: %d", got)
		}
	}
	get(t, own+sign(t, dir, "another key than those two")).is(t, http.StatusForbidden, "")
	get(t, usual+sign(t, dir, "the key that is in force")).is(t, http.StatusForbidden, "")

	low, high := get(t, own+"/a.jpg?w=200"), get(t, own+"/a.jpg?w=200&q=82")
	if len(low.body) >= len(high.body) {
		t.Errorf("%d bytes at quality 40, %d at 82", len(low.body), len(high.body))
	}
	modern := func(url string) string {
		return get(t, url+"/sky.jpg?w=160&fmt=webp").Header.Get("Content-Type")
	}
	modern(own)
	d.Eventually("WebP is there", func() bool { return modern(usual) == "image/webp" })
	if got := modern(own); got != "image/jpeg" {
		t.Errorf("with webp = false: %s", got)
	}
	get(t, usual+"/huge.png?w=160").is(t, http.StatusUnprocessableEntity, "the picture is too large to be made smaller")

	// How often the same version is made says what is kept.
	for kind, want := range map[string]float64{"fresh": 2, "full": 2, "disk": 1} {
		for range 2 {
			get(t, d.URL(kind)+"/a.jpg?w=160").is(t, http.StatusOK, "")
		}
		made := fmt.Sprintf(`portico_images_make_duration_seconds_count{service="images.%s"}`, kind)
		if got := d.Metric(made); got != want {
			t.Errorf("%s: made %v times, not %v", kind, got, want)
		}
	}
}

// sign is portico sign, with a key.
func sign(t *testing.T, dir, key string) string {
	t.Helper()
	conf := files(t, "config.hcl", fmt.Sprintf("service \"images\" \"x\" {\n  root     = %q\n  sign_key = %q\n}\n", dir, key))
	return strings.TrimSpace(portico(t, 0, conf, nil, "sign", "/a.jpg?w=33"))
}
