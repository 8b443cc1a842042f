package static_test

import (
	"strings"
	"testing"

	"github.com/porticod/portico/services/servicetest"
)

// A file goes from the disk to the socket without a copy in the process, whole,
// in part, and compressed.
func TestSendfileIsUsed(t *testing.T) {
	servicetest.Syscalls(t, "sendfile", func(t *testing.T) {
		root := site(t)
		write(t, root+"/big.bin.gz", strings.Repeat("x", 100_000))
		get := serve(t, root, "precompressed = true")
		get("GET", "/big.bin")
		get("GET", "/big.bin", "Range", "bytes=1000-200000")
		get("GET", "/big.bin", "Accept-Encoding", "gzip")
	}, func(t *testing.T, lines []string) {
		trace := strings.Join(lines, "\n")
		sent := 0
		for _, l := range lines {
			if strings.Contains(l, "sendfile") && !strings.Contains(l, "= -1") && !strings.HasSuffix(l, "= 0") {
				sent++
			}
		}
		if sent < 3 {
			t.Errorf("%d calls of sendfile for three answers:\n%s", sent, trace)
		}
	})
}
