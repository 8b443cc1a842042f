package picture_test

import (
	"testing"

	"github.com/porticod/portico/pkg/picture"
)

func TestAccepts(t *testing.T) {
	for header, want := range map[string]bool{
		"image/webp": true, "text/html, IMAGE/WEBP ;q=0.1": true, "image/webp;level=1;Q=1": true,
		"": false, "*/*": false, "image/*": false, "image/webp2": false, "ximage/webp": false,
		"image/webp;q=0": false, "image/webp; q = 0.000": false, "image/webp;q=none": false, "image/webp;q=NaN": false, "image/webp;q=-1": false,
	} {
		if got := picture.Accepts([]string{"text/html", header}, "image/webp"); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
