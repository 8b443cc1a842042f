package blur_test

import (
	"bytes"
	"image/png"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/picture/blur"
)

// The example of blurha.sh: pale at the top, darker below.
const example = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"

func TestPNG(t *testing.T) {
	m, err := png.Decode(bytes.NewReader(blur.PNG(example)))
	if err != nil {
		t.Fatal(err)
	}
	if b := m.Bounds(); b.Dx() != 8 || b.Dy() != 6 {
		t.Errorf("size %v", b)
	}
	r, g, b, a := m.At(0, 0).RGBA()
	if r>>8 < 0x60 || g>>8 < 0x60 || b>>8 < 0x60 || a != 0xffff {
		t.Errorf("the corner is %x %x %x %x", r>>8, g>>8, b>>8, a>>8)
	}
	if !strings.HasPrefix(blur.DataURL(example), "data:image/png;base64,iVBOR") {
		t.Error(blur.DataURL(example))
	}
	for _, bad := range []string{"", "L", "LEHV6nWB2yk8pyo0adR*.7kCMdn", example + "0", "LEHV6nWB2yk8pyo0adR*.7kCMdn\"", "zzzzzz"} {
		if blur.DataURL(bad) != "" {
			t.Errorf("%q is drawn", bad)
		}
	}
}

// FuzzPNG: whatever is in the store, a page is rendered.
func FuzzPNG(f *testing.F) {
	f.Add(example)
	f.Add("00~~~~")
	f.Fuzz(func(t *testing.T, hash string) {
		if b := blur.PNG(hash); b != nil {
			if _, err := png.Decode(bytes.NewReader(b)); err != nil {
				t.Error(err)
			}
		}
	})
}
