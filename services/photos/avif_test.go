//go:build nodynamic

package photos_test

import (
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	paint "github.com/porticod/portico/pkg/demo/scene"
)

// AVIF is made beside WebP, where it is smaller still; each browser gets what it
// reads, and a post that is deleted takes all of it with it.
func TestAVIF(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	painted, err := paint.Painting(paint.Sea).JPEG(900, 700)
	if err != nil {
		t.Fatal(err)
	}
	p := s.picture(ann, painted)
	u := p.Sizes[1].URL
	var avif reply
	wait.Until(t, "there is AVIF", func() bool {
		avif = s.send("GET", u, nil, "Accept", "image/avif,image/webp,*/*;q=0.8").is(200)
		return avif.Header.Get("Content-Type") == "image/avif"
	})
	if avif.body[4:12] != "ftypavif" {
		t.Errorf("it begins with %q", avif.body[:12])
	}
	size := len(avif.body)
	for accept, want := range map[string]string{
		"image/avif;q=0, image/webp": "image/webp", "image/webp;q=0, */*": "image/jpeg", "*/*": "image/jpeg",
	} {
		r := s.send("GET", u, nil, "Accept", accept).is(200)
		if r.Header.Get("Content-Type") != want || len(r.body) <= size {
			t.Errorf("%s: %d bytes of %s, %d of AVIF", accept, len(r.body), r.Header.Get("Content-Type"), size)
		}
	}
	s.call("DELETE", "/api/v1/media/"+p.ID, ann, nil).is(200)
	wait.Until(t, "all of it is gone", func() bool { return s.blobs() == 0 })
}
