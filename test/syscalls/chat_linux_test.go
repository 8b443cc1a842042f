package syscalls_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
)

// A WebSocket of the chat that waits for its client is watched by one epoll, the
// chat's: Go's poller, which has half a KiB for each of its own, does not know it.
func TestAParkedWebSocketIsWatchedOnce(t *testing.T) {
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	d := testkit.StartBinary(t, self, `
data_dir = "data"
log { level = "error" }
service "chat" "c" {}
listener "c" {
  address = "127.0.0.1:0"
  service = service.chat.c
}
`, daemon+"=1")
	addr := d.Addr("c")
	upgrade := func() {
		c := dial(t, addr)
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%v, %v", res, err)
		}
	}
	upgrade()
	const n = 50
	before := watched(t, d.PID())
	for range n {
		upgrade()
	}
	got := 0
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if got = watched(t, d.PID()) - before; got == n {
			return
		}
	}
	t.Errorf("%d descriptors are watched for %d connections", got, n)
}

// watched is how many descriptors the epolls of a process watch.
func watched(t *testing.T, pid int) (n int) {
	t.Helper()
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range infos {
		b, _ := os.ReadFile(file) // one may be gone
		n += strings.Count(string(b), "tfd:")
	}
	return n
}
