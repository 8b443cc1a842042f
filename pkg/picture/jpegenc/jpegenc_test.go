package jpegenc

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"math"
	"sync"
	"testing"
)

func pattern(ratio image.YCbCrSubsampleRatio) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, 61, 43), ratio)
	for i := range m.Y {
		m.Y[i] = uint8(128 + 90*math.Sin(float64(i)/9))
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = uint8(100+i%60), uint8(160-i%50)
	}
	return m
}

// off is the mean distance in brightness of the file from m.
func off(t *testing.T, file []byte, m image.Image) float64 {
	t.Helper()
	got, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got.Bounds() != m.Bounds() {
		t.Fatalf("%v became %v", m.Bounds(), got.Bounds())
	}
	luma := func(m image.Image, x, y int) float64 {
		switch m := m.(type) {
		case *image.YCbCr:
			return float64(m.YCbCrAt(x, y).Y)
		case *image.Gray:
			return float64(m.GrayAt(x, y).Y)
		}
		t.Fatalf("a %T", m)
		return 0
	}
	var sum float64
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			sum += math.Abs(luma(got, x, y) - luma(m, x, y))
		}
	}
	return sum / float64(m.Bounds().Dx()*m.Bounds().Dy())
}

func TestEncode(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 80, 43)).SubImage(image.Rect(0, 0, 61, 43)).(*image.Gray)
	for i := range gray.Pix {
		gray.Pix[i] = uint8(i / 20)
	}
	for name, m := range map[string]image.Image{
		"4:2:0": pattern(image.YCbCrSubsampleRatio420), "4:4:4": pattern(image.YCbCrSubsampleRatio444),
		"gray, with gaps": gray, "one pixel": image.NewGray(image.Rect(0, 0, 1, 1)),
	} {
		for _, progressive := range []bool{false, true} {
			var c Codec
			var ours, std bytes.Buffer
			if err := c.EncodeJPEG(&ours, m, 92, progressive); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if c.broken.Load() {
				t.Fatal("jpegli cannot run here")
			}
			if d := off(t, ours.Bytes(), m); d > 2.5 {
				t.Errorf("%s: %.2f off", name, d)
			}
			if got := bytes.Contains(ours.Bytes(), []byte{0xff, 0xc2}); got != progressive {
				t.Errorf("%s: progressive is %v, want %v", name, got, progressive)
			}
			// Where jpegli cannot run, the result is as good.
			c.broken.Store(true)
			if err := c.EncodeJPEG(&std, m, 92, progressive); err != nil {
				t.Fatalf("%s, standard library: %v", name, err)
			}
			if d := off(t, std.Bytes(), m); d > 2.5 {
				t.Errorf("%s, standard library: %.2f off", name, d)
			}
		}
	}
}

// Many at once do not get into each other's way: none falls back to the standard
// library, which writes no progressive JPEG.
func TestManyAtOnce(t *testing.T) {
	var c Codec
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			m := pattern(image.YCbCrSubsampleRatio420)
			var b bytes.Buffer
			if err := c.EncodeJPEG(&b, m, 90, true); err != nil || !bytes.Contains(b.Bytes(), []byte{0xff, 0xc2}) {
				t.Errorf("not by jpegli: %v", err)
			}
		})
	}
	wg.Wait()
}

type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriterIsReported(t *testing.T) {
	var c Codec
	if err := c.EncodeJPEG(full{}, pattern(image.YCbCrSubsampleRatio420), 80, false); !errors.Is(err, errFull) {
		t.Errorf("%v, want the writer's error", err)
	}
	if c.broken.Load() {
		t.Error("a full disk was taken for a broken jpegli")
	}
}
