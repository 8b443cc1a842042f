package cli_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/pkg/cli"
	"github.com/porticod/portico/pkg/service"
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
			s := string(b[:n])
			if beats := strings.HasPrefix(s, "EXTEND_TIMEOUT_USEC=") || strings.HasPrefix(s, "STATUS=st"); beats {
				continue // a slow machine starts or stops for longer than a beat
			}
			if s != "WATCHDOG=1" || prefix == s {
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

// A start that takes long, as one with a migration does, asks for more time until
// it is ready.
func TestNotifyOfASlowStart(t *testing.T) {
	path := filepath.Join(scene(t, "config.hcl", slowFile), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	c.SetReadDeadline(time.Now().Add(testkit.Patience))
	next := func(prefix string) { // beats may come between
		t.Helper()
		for b := make([]byte, 4096); ; {
			n, err := c.Read(b)
			if err != nil {
				t.Fatalf("waiting for %q: %v", prefix, err)
			}
			if strings.HasPrefix(string(b[:n]), prefix) {
				return
			}
		}
	}
	kind := &slow{make(chan struct{}), make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	status := make(chan int, 1)
	go func() {
		app := testkit.App(service.KindOf[slowConfig, slowService](kind))
		status <- cli.Run(ctx, app, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, []string{"run"})
	}()
	next("EXTEND_TIMEOUT_USEC=9000000")
	next("WATCHDOG=1")
	next("STATUS=starting: opening services")
	close(kind.open)
	next("READY=1\n")
	cancel()
	next("STOPPING=1\n")
	select {
	case got := <-status:
		if got != 0 {
			t.Errorf("exit %d", got)
		}
	case <-time.After(testkit.Patience):
		t.Fatal("it does not end")
	}
}

// With a store systemd gets each socket once, under a name that says its
// address, and is told to close one that no listener has any more.
func TestNotifyStore(t *testing.T) {
	path := filepath.Join(scene(t), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("FDSTORE", "10")
	next := func(prefixes ...string) { // in any order
		t.Helper()
		for len(prefixes) > 0 {
			b := make([]byte, 4096)
			c.SetReadDeadline(time.Now().Add(testkit.Patience))
			n, err := c.Read(b) // descriptors that come with it are closed
			i := slices.IndexFunc(prefixes, func(p string) bool { return strings.HasPrefix(string(b[:n]), p) })
			if err != nil || i < 0 {
				t.Fatalf("got %q, %v, want one of %q", b[:n], err, prefixes)
			}
			prefixes = slices.Delete(prefixes, i, i+1)
		}
	}
	kept := "FDNAME=listen-tcp-127.0.0.1_0-"
	d := testkit.Start(t, testkit.App(), hello)
	next("FDSTORE=1\n" + kept)
	next("READY=1\n")
	d.Reload("service \"echo\" \"e\" {}\n")
	next("RELOADING=1\n")
	next("READY=1\n", "FDSTOREREMOVE=1\n"+kept, "BARRIER=1")
	d.Stop()
	next("STOPPING=1\n")
}
