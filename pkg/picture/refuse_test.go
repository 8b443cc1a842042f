package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"io"
	"runtime"
	"testing"

	"github.com/porticod/portico/pkg/picture"
)

func make1(b []byte, o picture.Options, specs ...picture.Spec) error {
	if specs == nil {
		specs = []picture.Spec{{Width: 10}}
	}
	_, err := picture.NewPool(o).Make(context.Background(), bytes.NewReader(b), picture.Job{Specs: specs})
	return err
}

// withSize writes another size into a JPEG's or PNG's header.
func withSize(b []byte, w, h int) []byte {
	b = bytes.Clone(b)
	if b[0] == 0xff {
		at := bytes.Index(b, []byte{0xff, 0xc0}) + 5
		binary.BigEndian.PutUint16(b[at:], uint16(h))
		binary.BigEndian.PutUint16(b[at+2:], uint16(w))
		return b
	}
	binary.BigEndian.PutUint32(b[16:], uint32(w))
	binary.BigEndian.PutUint32(b[20:], uint32(h))
	copy(b[29:], pngChunk("IHDR", b[16:29])[8+13:])
	return b
}

// A small file that says it is huge is refused before memory is taken for it.
func TestBombs(t *testing.T) {
	jpg, png := asJPEG(t, scene(16, 16), 80), asPNG(t, scene(16, 16))
	gifs := bytes.Repeat([]byte("\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00"), 5000)
	gifs = append(append([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"), gifs...), 0x3b)
	webp := []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\xff\xff\xff\x0f\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for name, b := range map[string][]byte{
		"jpeg":        withSize(jpg, 64250, 64250),
		"png":         withSize(png, 50000, 50000),
		"png, wide":   withSize(png, 2_000_000_000, 1),
		"gif frames":  gifs,
		"webp":        webp,
		"gif screen":  append([]byte("GIF89a\xff\xff\xff\xff\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00"), 0x3b),
		"jpeg, scans": manyScans(t),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := make1(b, picture.Options{})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, picture.ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
			t.Errorf("%s: %d MiB were allocated to refuse it", name, n>>20)
		}
	}
	// One that fits the limits but not the budget.
	if err := make1(withSize(jpg, 7000, 7000), picture.Options{Memory: 2 << 20}); !errors.Is(err, picture.ErrTooLarge) {
		t.Errorf("beyond the budget: %v, want ErrTooLarge", err)
	}
	// One that lies: fewer pixels than it says.
	for name, b := range map[string][]byte{"jpeg": withSize(jpg, 2000, 2000), "png": withSize(png, 2000, 2000)} {
		if err := make1(b, picture.Options{}); !errors.Is(err, picture.ErrBroken) {
			t.Errorf("%s with a false size: %v, want ErrBroken", name, err)
		}
	}
	if err := make1(jpg, picture.Options{Limits: picture.Limits{Bytes: 100}}); !errors.Is(err, picture.ErrTooLarge) {
		t.Errorf("over the byte limit: %v", err)
	}
}

// manyScans repeats the last scan of a progressive JPEG.
func manyScans(t testing.TB) []byte {
	b := file(t, "video-001.progressive.jpeg")
	at := bytes.LastIndex(b, []byte{0xff, 0xda})
	scan := b[at : len(b)-2]
	return append(append(bytes.Clone(b[:len(b)-2]), bytes.Repeat(scan, 200)...), 0xff, 0xd9)
}

// Whatever is cut off or overwritten: an error, and never a gray picture.
func TestTruncatedIsAnError(t *testing.T) {
	var gifs bytes.Buffer
	pal := color.Palette{color.Black, color.White}
	if err := gif.Encode(&gifs, image.NewPaletted(image.Rect(0, 0, 90, 60), pal), nil); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"baseline":    asJPEG(t, scene(90, 60), 85),
		"progressive": file(t, "video-001.progressive.jpeg"),
		"restart":     file(t, "video-001.restart2.jpeg"),
		"png":         asPNG(t, scene(90, 60)),
		"webp":        file(t, "blue-purple-pink.lossy.webp"),
		"lossless":    file(t, "gopher-doc.with-alpha.lossless.webp"),
		"gif":         gifs.Bytes(),
	} {
		if err := make1(b, picture.Options{}); err != nil {
			t.Fatalf("%s, whole: %v", name, err)
		}
		step := 1 + len(b)/60
		for n := 0; n < len(b); n += step {
			if err := make1(b[:n], picture.Options{}); !errors.Is(err, picture.ErrBroken) && !(n < 16 && errors.Is(err, picture.ErrFormat)) {
				t.Errorf("%s, %d of %d bytes: %v, want ErrBroken", name, n, len(b), err)
			}
		}
	}
	if err := make1(file(t, "video-001.progressive.truncated.jpeg"), picture.Options{}); !errors.Is(err, picture.ErrBroken) {
		t.Errorf("truncated progressive: %v", err)
	}
	// Cut in the middle, but with a proper end.
	b := asJPEG(t, scene(90, 60), 85)
	if err := make1(append(bytes.Clone(b[:len(b)/2]), 0xff, 0xd9), picture.Options{}); !errors.Is(err, picture.ErrBroken) {
		t.Errorf("half of the pixels: %v", err)
	}
}

type brokenDisk struct{ *bytes.Reader }

var errDisk = errors.New("input/output error")

func (b brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > 5000 {
		return 0, errDisk
	}
	n, err := b.Reader.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// A disk that fails is not the picture's fault.
func TestReadErrorIsKept(t *testing.T) {
	src := brokenDisk{bytes.NewReader(asJPEG(t, scene(600, 400), 90))}
	_, err := picture.NewPool(picture.Options{}).Make(context.Background(), src, picture.Job{Specs: []picture.Spec{{Width: 10}}})
	if !errors.Is(err, errDisk) || errors.Is(err, picture.ErrBroken) {
		t.Errorf("%v, want the disk's error only", err)
	}
	if err := picture.Strip(io.Discard, src); !errors.Is(err, errDisk) || errors.Is(err, picture.ErrBroken) {
		t.Errorf("strip: %v, want the disk's error only", err)
	}
}

func TestImpossibleSpecs(t *testing.T) {
	b := asJPEG(t, scene(30, 20), 80)
	for _, s := range []picture.Spec{{Width: -1}, {Height: 70_000}, {Quality: 101}, {Format: picture.GIF}, {Fit: 9, Width: 1, Height: 1}} {
		if err := make1(b, picture.Options{}, s); err == nil {
			t.Errorf("%+v was made", s)
		}
	}
}
