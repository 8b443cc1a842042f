package images_test

import (
	"image"
	"strings"
	"testing"

	"github.com/porticod/portico/services/servicetest"
)

// Pictures and large versions go from the disk to the socket without a copy in
// the process, whole and in part.
func TestSendfileIsUsed(t *testing.T) {
	servicetest.Syscalls(t, "sendfile", func(t *testing.T) {
		root := gallery(t)
		noisy := image.NewRGBA(image.Rect(0, 0, 1400, 1000))
		seed := uint32(1)
		for i := range noisy.Pix {
			seed = seed*1664525 + 1013904223
			noisy.Pix[i] = uint8(seed >> 24)
		}
		write(t, root+"/noisy.jpg", jpegOf(t, noisy))
		s := serve(t, root, "")
		s.get("/noisy.jpg")
		s.get("/noisy.jpg", "Range", "bytes=1000-400000")
		s.get("/noisy.jpg?w=1080&fmt=png") // made
		s.get("/noisy.jpg?w=1080&fmt=png") // from the cache, larger than 256 KiB
	}, func(t *testing.T, lines []string) {
		sent := 0
		for _, l := range lines {
			if strings.Contains(l, "sendfile") && !strings.Contains(l, "= -1") && !strings.HasSuffix(l, "= 0") {
				sent++
			}
		}
		if sent < 3 {
			t.Errorf("%d calls of sendfile for three answers:\n%s", sent, strings.Join(lines, "\n"))
		}
	})
}
