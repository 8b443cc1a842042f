package sdnotify_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/sdnotify"
)

// systemd is the other end: a datagram socket, and what arrives on it.
func systemd(t *testing.T) (env func(string) string, next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "n")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	vars := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}
	return func(k string) string { return vars[k] }, func() string {
		b := make([]byte, 4096)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestStates(t *testing.T) {
	env, next := systemd(t)
	n := sdnotify.New(env, 7)
	for _, c := range []struct {
		send func() error
		want string
	}{
		{func() error { return n.Ready("3 listeners") }, "READY=1\nSTATUS=3 listeners"},
		{func() error { return n.Status("a\nREADY=1") }, "STATUS=a READY=1"},
		{n.Stopping, "STOPPING=1\nSTATUS=stopping"},
		{n.Alive, "WATCHDOG=1"},
	} {
		if err := c.send(); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// Both lines have to be in one datagram, and the time has to be a number.
func TestReloadingCarriesTheClock(t *testing.T) {
	env, next := systemd(t)
	if err := sdnotify.New(env, 7).Reloading(); err != nil {
		t.Fatal(err)
	}
	got := next()
	us, ok := strings.CutPrefix(got, "RELOADING=1\nMONOTONIC_USEC=")
	if !ok || us == "" || strings.Trim(us, "0123456789") != "" {
		t.Errorf("got %q", got)
	}
}

func TestWatchdog(t *testing.T) {
	env, _ := systemd(t)
	if got := sdnotify.New(env, 7).Watchdog(); got != 1500*time.Millisecond {
		t.Errorf("watchdog every %v, want 1.5s", got)
	}
	if got := sdnotify.New(env, 8).Watchdog(); got != 0 {
		t.Errorf("a watchdog for another process counts: every %v", got)
	}
}

func TestWithoutSystemd(t *testing.T) {
	for _, n := range []*sdnotify.Notifier{nil, sdnotify.New(func(string) string { return "" }, 1)} {
		if err := n.Ready("x"); err != nil {
			t.Error(err)
		}
		if n.Watchdog() != 0 {
			t.Error("a watchdog without systemd")
		}
	}
}

func TestSocketGone(t *testing.T) {
	n := sdnotify.New(func(k string) string {
		if k == "NOTIFY_SOCKET" {
			return filepath.Join(t.TempDir(), "gone")
		}
		return ""
	}, 1)
	if err := n.Ready("x"); err == nil || !strings.Contains(err.Error(), "notify systemd") {
		t.Errorf("got %v", err)
	}
}
