package options_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	hold "github.com/porticod/portico/internal/testkit/port"
)

const relayed = `
variable "a" {}
variable "b" {}
variable "dead" {}
variable "stuck" {}
service "tcp" "header" {
  upstreams  = [var.a]
  send_proxy = "v1"
}
service "tcp" "weighted" {
  upstreams = [var.a, var.b]
  weights   = { (var.a) = 3 }
}
service "tcp" "hash" {
  upstreams = [var.a, var.b]
  balance   = "hash"
}
service "tcp" "idle" {
  upstreams    = [var.a]
  idle_timeout = "200ms"
}
service "tcp" "stuck" {
  upstreams       = [var.stuck, var.a]
  connect_timeout = "200ms"
  passive { fails = 0 }
}
service "tcp" "fails" {
  upstreams = [var.dead, var.a]
  passive { fails = 1 }
}
service "tcp" "soon" {
  upstreams = [var.dead, var.a]
  passive {
    fails = 1
    down  = "50ms"
  }
}
service "tcp" "within" {
  upstreams = [var.dead, var.a]
  passive {
    fails  = 2
    within = "1us"
  }
}
listener "hash" {
  address = "127.0.0.1:0"
  service = service.tcp.hash
  proxy_protocol { from = ["127.0.0.0/8"] }
}
`

// option: tcp.upstreams tcp.balance tcp.weights tcp.send_proxy tcp.connect_timeout tcp.idle_timeout
// option: tcp.passive.fails tcp.passive.within tcp.passive.down
// option: tcp.udp_timeout in test/udp/udp_test.go
func TestTCP(t *testing.T) {
	t.Parallel()
	d := start(t, relayed+port("tcp", "header", "weighted", "idle", "stuck", "fails", "soon", "within"),
		"a", greets(t, "a"), "b", greets(t, "b"), "dead", dead(t), "stuck", stuck(t))
	c := dial(t, d.Addr("header"))
	if got := line(t, c); got != "a" {
		t.Errorf("the upstream says %q", got)
	}
	if got := line(t, c); !strings.HasPrefix(got, "PROXY TCP4 127.0.0.1 127.0.0.1 ") {
		t.Errorf("it was told %q", got)
	}
	hears := func(name string, n int) map[string]int {
		got := map[string]int{}
		for range n {
			c := dial(t, d.Addr(name))
			got[line(t, c)]++
			_ = c.Close()
		}
		return got
	}
	if got := hears("weighted", 8); got["a"] != 6 || got["b"] != 2 {
		t.Errorf("weights of 3 to 1: %v", got)
	}
	c = dial(t, d.Addr("idle"))
	line(t, c)
	closes(t, c)
	begin := time.Now()
	if got := hears("stuck", 2); got["a"] != 2 || time.Since(begin) > 4*time.Second { // the default is 5s
		t.Errorf("after %v: %v", time.Since(begin), got)
	}

	hears("fails", 6)
	hears("within", 6)
	for name, want := range map[string]float64{"fails": 1, "within": 3} {
		if got := connectFailures(d, name); got != want {
			t.Errorf("%s: %v connections failed, not %v", name, got, want)
		}
	}
	d.Eventually("it is tried again soon, not after 5s each time", func() bool {
		hears("soon", 2)
		return connectFailures(d, "soon") > 5
	})
	hashes(t, d.Addr("hash"))
}

func connectFailures(d *testkit.Daemon, name string) float64 {
	return d.Metric(fmt.Sprintf(`portico_tcp_connect_failures_total{service="tcp.%s"}`, name))
}

// hashes: the address of the client says where it comes to.
func hashes(t *testing.T, addr string) {
	t.Helper()
	got := map[string]int{}
	for i := range 20 {
		client := fmt.Sprintf("192.0.2.%d", i+1)
		name := line(t, from(t, addr, client))
		got[name]++
		if again := line(t, from(t, addr, client)); again != name {
			t.Errorf("%s came to %s and %s", client, name, again)
		}
	}
	if got["a"] == 0 || got["b"] == 0 {
		t.Errorf("clients came to %v", got)
	}
}

// greets is a server that says its name, and then what it hears.
func greets(t *testing.T, name string) string {
	t.Helper()
	return testkit.Serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, name+"\n")
		_, _ = io.Copy(c, c)
	})
}

// stuck is an address where a connection comes to nothing, neither accepted nor
// refused: the queue for accept is full.
func stuck(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port)
	for range 10 {
		c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the queue never fills up")
	return ""
}

const watched = `
variable "counted" {}
variable "dead" {}
variable "late" {}
variable "stuck" {}
service "tcp" "fall" {
  upstreams = [var.dead, var.counted]
  health {
    interval = "20ms"
    fall     = 1000
  }
}
service "tcp" "rise" {
  upstreams = [var.late, var.counted]
  health {
    interval = "20ms"
    fall     = 1
    rise     = 1000
  }
}
service "tcp" "timeout" {
  upstreams = [var.stuck, var.counted]
  health {
    interval = "20ms"
    timeout  = "50ms"
    fall     = 20
  }
}
`

// option: tcp.health.interval tcp.health.timeout tcp.health.rise tcp.health.fall
func TestTCPHealth(t *testing.T) {
	t.Parallel()
	var checks, lateChecks atomic.Int32
	late := hold.Hold(t)
	d := start(t, watched+port("tcp", "fall", "rise", "timeout"),
		"counted", testkit.Serve(t, func(net.Conn) { checks.Add(1) }), "dead", dead(t), "late", late.Addr, "stuck", stuck(t))
	up := func(name string, want float64) bool {
		return d.Metric(`portico_tcp_upstreams_up{service="tcp.`+name+`"}`) == want
	}
	d.Eventually("one check is enough to be down", func() bool { return up("rise", 1) })
	testkit.ServeOn(t, late.Listen(), func(net.Conn) { lateChecks.Add(1) })
	// With the default interval that would take longer than is waited.
	d.Eventually("enough checks", func() bool { return checks.Load() > 30 && lateChecks.Load() > 10 })
	if !up("fall", 2) {
		t.Error("it is down, after less than a thousand bad checks")
	}
	if !up("rise", 1) {
		t.Error("it is up, after less than a thousand good checks")
	}
	// So would twenty checks of the default timeout.
	d.Eventually("checks that take too long are bad", func() bool { return up("timeout", 1) })
}
