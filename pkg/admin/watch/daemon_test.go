package watch_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/port"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/admin/watch"
)

// view is what a daemon did since it started.
func view(t *testing.T, d *testkit.Daemon) watch.View {
	t.Helper()
	v, err := d.Admin.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// dead is an address where nobody listens.
func dead(t *testing.T) string { return port.Hold(t).Addr }

// echoing is the address of a server that sends back what it gets.
func echoing(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				io.Copy(nc, nc)
			}()
		}
	}()
	return ln.Addr().String()
}

// echoed has n bytes come back over nc.
func echoed(t *testing.T, nc net.Conn, n int) {
	t.Helper()
	go io.WriteString(nc, strings.Repeat("x", n))
	if _, err := io.ReadFull(nc, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(wait.Patience))
	return nc
}

// heard tells how long the messages of a WebSocket are.
type heard struct {
	gws.BuiltinEventHandler
	sizes chan int
}

func (h heard) OnMessage(_ *gws.Conn, m *gws.Message) {
	h.sizes <- m.Data.Len()
	m.Close()
}

// overWebSocket has a message of n bytes come back; the WebSocket stays open.
func overWebSocket(t *testing.T, addr string, n int) {
	t.Helper()
	h := heard{sizes: make(chan int, 1)}
	ws, _, err := gws.NewClient(h, &gws.ClientOption{Addr: "ws://" + addr + "/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.NetConn().Close() })
	go ws.ReadLoop()
	if err := ws.WriteMessage(gws.OpcodeBinary, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-h.sizes:
		if got != n {
			t.Errorf("%d bytes came back, want %d", got, n)
		}
	case <-time.After(wait.Patience):
		t.Fatal("no message came back")
	}
}

// Raw connections, relays and WebSockets show at a glance while they are open, each
// byte once with its listener and once in the total.
func TestTrafficThatIsNoRequest(t *testing.T) {
	const size = 1 << 20
	d := testkit.Start(t, testkit.App(), fmt.Sprintf(`
service "echo" "e" {}
service "tcp" "t" { upstreams = [%q] }
listener "raw" {
  address = "127.0.0.1:0"
  service = service.echo.e
}
listener "relay" {
  address = "127.0.0.1:0"
  service = service.tcp.t
}`, echoing(t)))
	echoed(t, dial(t, d.Addr("raw")), size)
	overWebSocket(t, d.Addr("raw"), size)
	echoed(t, dial(t, d.Addr("relay")), size)

	wait.Right(t, func() string {
		v := view(t, d)
		for i, want := range []float64{2 * size, size} {
			l := v.Listeners[i]
			if in, out := l.BytesIn*v.Seconds, l.BytesOut*v.Seconds; in < want || in > 1.1*want || out < want || out > 1.1*want {
				return fmt.Sprintf("listener %s: %.0f bytes in, %.0f out, want %.0f", l.Name, in, out, want)
			}
		}
		if in := v.Total.BytesIn * v.Seconds; in < 3*size || in > 3.3*size {
			return fmt.Sprintf("%.0f bytes in all, want %d", in, 3*size)
		}
		if s := v.Services[1]; s.BytesIn*v.Seconds < size || s.BytesIn*v.Seconds > 1.1*size {
			return fmt.Sprintf("%s: %.0f bytes", s.Name, s.BytesIn*v.Seconds)
		}
		return ""
	})
}

// An upstream that is dead shows, and so does what it did not take.
func TestDeadUpstreams(t *testing.T) {
	d := testkit.Start(t, testkit.App(), fmt.Sprintf(`
service "tcp" "one" {
  upstreams = [%q]
  passive { fails = 1 }
}
service "tcp" "two" {
  upstreams = [%q, %q]
  passive {
    fails = 1
    down  = "10ms"
  }
}
listener "one" {
  address = "127.0.0.1:0"
  service = service.tcp.one
}
listener "two" {
  address = "127.0.0.1:0"
  service = service.tcp.two
}`, dead(t), dead(t), dead(t)))
	for _, name := range []string{"one", "two"} {
		for range 3 {
			io.ReadAll(dial(t, d.Addr(name)))
		}
	}
	wait.Right(t, func() string {
		v := view(t, d)
		if v.Total.AllServerErrors != 6 || v.Services[0].AllServerErrors != 3 {
			return fmt.Sprintf("%v errors, %v of them of the first service", v.Total.AllServerErrors, v.Services[0].AllServerErrors)
		}
		return ""
	})
	time.Sleep(20 * time.Millisecond) // longer than down
	want := "service tcp.one: no upstream is up; service tcp.two: no upstream is up"
	if s := d.Status(); s.Ready || s.Degraded != want {
		t.Errorf("ready %v: %s", s.Ready, s.Degraded)
	}
}
