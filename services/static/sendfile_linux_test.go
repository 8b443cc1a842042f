package static_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/services/servicetest"
)

// A file goes from the disk to the socket without a copy in the process, whole,
// in part, and compressed. These are from tomorrow, and so not held; how files that
// are held reach the socket is pkg/mux's affair, whose tests show it.
func TestSendfileIsUsed(t *testing.T) {
	servicetest.Syscalls(t, "sendfile", func(t *testing.T) {
		root := site(t)
		write(t, root+"/big.bin.gz", strings.Repeat("x", 100_000))
		tomorrow := time.Now().AddDate(0, 0, 1)
		for _, name := range []string{"/big.bin", "/big.bin.gz"} {
			if err := os.Chtimes(root+name, tomorrow, tomorrow); err != nil {
				t.Fatal(err)
			}
		}
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
