package cli_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
)

// What systemd is told, and when: ready only when ports answer, a reload from
// its begin to its end, stopping.
func TestNotify(t *testing.T) {
	path := filepath.Join(scene(t), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "100000")
	next := func(prefix string) string {
		t.Helper()
		for {
			b := make([]byte, 4096)
			c.SetReadDeadline(time.Now().Add(testkit.Patience))
			n, err := c.Read(b)
			if err != nil {
				t.Fatalf("waiting for %s: %v", prefix, err)
			}
			if s := string(b[:n]); s != "WATCHDOG=1" || prefix == s {
				if !strings.HasPrefix(s, prefix) {
					t.Fatalf("got %q, want %q", s, prefix)
				}
				return s
			}
		}
	}
	d := testkit.Start(t, testkit.App(), hello)
	if s := next("READY=1\n"); !strings.Contains(s, "STATUS=1 listener, 1 service, generation 1") {
		t.Errorf("got %q", s)
	}
	next("WATCHDOG=1")
	next("WATCHDOG=1")
	d.Reload(hello + "service \"echo\" \"e\" {}\n")
	next("RELOADING=1\nMONOTONIC_USEC=")
	if s := next("READY=1\n"); !strings.Contains(s, "2 services, generation 2") {
		t.Errorf("got %q", s)
	}
	d.Reload("broken {")
	next("RELOADING=1\n")
	if s := next("READY=1\n"); !strings.Contains(s, "generation 2") {
		t.Errorf("got %q", s)
	}
	d.Stop()
	next("STOPPING=1\n")
}
