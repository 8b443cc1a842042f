package photos_test

import (
	"strings"
	"testing"

	"github.com/porticod/portico/services/servicetest"
)

// TestSendfile: the bytes of pictures do not pass through the process.
func TestSendfile(t *testing.T) {
	servicetest.Syscalls(t, "sendfile,sendfile64", func(t *testing.T) {
		s := open(t, "")
		ann := s.signUp("ann")
		s.get(s.picture(ann, jpegOf(800, 600)).URL, "").is(200)
	}, func(t *testing.T, lines []string) {
		for _, l := range lines {
			if strings.Contains(l, "sendfile") && !strings.Contains(l, "= -1") && !strings.HasSuffix(l, "= 0") {
				return
			}
		}
		t.Errorf("no bytes went by sendfile:\n%s", strings.Join(lines, "\n"))
	})
}
