package relay_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/relay"
)

// pipes are the ends of pipes that the process has.
func pipes(t *testing.T) (n int) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range list {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

// Connections over which nothing goes hold no pipes, also after much went over
// them.
func TestSilentRelaysHoldNoPipes(t *testing.T) {
	const relays, size = 50, 1 << 20
	before := pipes(t)
	var ups, clients []net.Conn
	for range relays {
		c, u, _, _ := start(t, "tcp", "tcp", relay.Options{})
		clients, ups = append(clients, c), append(ups, u)
	}
	for i, u := range ups {
		go func() { _, _ = u.Write(bytes.Repeat([]byte{byte(i)}, size)) }()
		if n, err := io.ReadFull(clients[i], make([]byte, size)); err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	// Those that nobody needs are collected.
	n := 0
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
		if n = pipes(t) - before; n <= 0 {
			return
		}
	}
	t.Errorf("%d relays hold %d ends of pipes", relays, n)
}
