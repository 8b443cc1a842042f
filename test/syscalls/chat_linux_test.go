package syscalls_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
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
	const n = 50
	for range n {
		upgrade()
	}
	once, more := 0, 0
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if once, more = watched(t, d.PID()); once >= n && more == 0 {
			return
		}
	}
	t.Errorf("of %d connections %d are watched once, %d by several", n, once, more)
}

// watched is how many sockets of a process one of its epolls watches, and how many
// several do.
func watched(t *testing.T, pid int) (once, more int) {
	t.Helper()
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]int{} // epolls, by the descriptor that they watch
	for _, file := range infos {
		b, _ := os.ReadFile(file) // one may be gone
		for _, m := range target.FindAllSubmatch(b, -1) {
			by[string(m[1])]++
		}
	}
	for fd, n := range by {
		what, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd))
		switch {
		case !strings.HasPrefix(what, "socket:"):
		case n == 1:
			once++
		default:
			more++
		}
	}
	return once, more
}

// target is the descriptor in a line of what an epoll watches.
var target = regexp.MustCompile(`(?m)^tfd: +([0-9]+) `)
