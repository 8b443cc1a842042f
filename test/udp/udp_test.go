// Package udp_test sends packets through the daemon.
package udp_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
)

// ask sends a packet and returns the answer, with patience for the first: a
// packet may get lost where a queue is full.
func ask(t *testing.T, c net.Conn, question string) string {
	t.Helper()
	b := make([]byte, 64<<10)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if _, err := c.Write([]byte(question)); err != nil && !refused(err) {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		n, err := c.Read(b)
		if err == nil {
			return string(b[:n])
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) && !refused(err) {
			t.Fatal(err)
		}
	}
	t.Fatalf("no answer to %.40q", question)
	return ""
}

func refused(err error) bool { return strings.Contains(err.Error(), "refused") }

func dial(t *testing.T, to string) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", strings.TrimPrefix(to, "udp:"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func listener(address, service, more string) string {
	return fmt.Sprintf(`
listener "packets" {
  address = %q
  service = service.%s
  %s
}
`, address, service, more)
}

const echo = `
data_dir = "data"
service "echo" "e" {}
`

// Packets come back whole, also large ones, each to the peer that sent it, and a
// reload that moves the service leaves peers alone.
func TestEcho(t *testing.T) {
	d := testkit.Start(t, testkit.App(), echo+listener("udp:127.0.0.1:0", "echo.e", ""))
	addr := d.Addr("packets")
	a, b := dial(t, addr), dial(t, addr)
	large := strings.Repeat("x", 60_000)
	for _, c := range []net.Conn{a, b} {
		for _, q := range []string{"one", large, "two"} {
			if got := ask(t, c, q); got != q {
				t.Errorf("asked %.10q, got %.10q", q, got)
			}
		}
	}
	sockets := d.Sockets()
	if len(sockets) != 2 || sockets[0].Protocol != "udp" || sockets[0].Service != "echo.e" || sockets[0].BytesIn < 60_000 || sockets[0].BytesOut < 60_000 {
		t.Errorf("sockets: %+v", sockets)
	}
	if r := d.Reload(echo + listener("udp:127.0.0.1:0", "echo.e", "limits { per_ip = 10 }")); !r.OK {
		t.Fatal(r.Text)
	}
	if got := ask(t, a, "three"); got != "three" || len(d.Sockets()) != 2 {
		t.Errorf("after the reload: %q, %d sockets", got, len(d.Sockets()))
	}
	if r := d.Reload(echo + listener("udp:127.0.0.1:0", "echo.e", `deny = ["127.0.0.0/8"]`)); !r.OK {
		t.Fatal(r.Text)
	}
	c := dial(t, addr)
	if _, err := c.Write([]byte("let me in")); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := c.Read(make([]byte, 10)); err == nil {
		t.Error("who is denied got an answer")
	}
	if got := ask(t, a, "four"); got != "four" {
		t.Errorf("who was there before: %q", got)
	}
}

// upstream answers each packet with its name and what it was asked.
func upstream(t *testing.T, name string) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo([]byte(name+" "+string(b[:n])), from)
		}
	}()
	return pc.LocalAddr().String()
}

// Peers are spread over upstreams and stay with theirs; one that nothing comes
// from is forgotten.
func TestRelay(t *testing.T) {
	config := fmt.Sprintf(`
data_dir = "data"
service "tcp" "dns" {
  upstreams   = [%q, %q]
  udp_timeout = "1s"
}
`, upstream(t, "one"), upstream(t, "two"))
	d := testkit.Start(t, testkit.App(), config+listener("udp:127.0.0.1:0", "tcp.dns", ""))
	seen := map[string]int{}
	for range 4 {
		c := dial(t, d.Addr("packets"))
		first, _, _ := strings.Cut(ask(t, c, "hello"), " ")
		seen[first]++
		if again := ask(t, c, "again"); again != first+" again" {
			t.Errorf("a peer of %s got %q", first, again)
		}
	}
	if seen["one"] != 2 || seen["two"] != 2 {
		t.Errorf("spread: %v", seen)
	}
	d.Eventually("peers that are silent are forgotten", func() bool { return len(d.Sockets()) == 0 })
}

// A socket on all addresses answers from the one that was asked.
func TestAnswersFromTheAddressThatWasAsked(t *testing.T) {
	for _, host := range []string{"", "0.0.0.0"} {
		d := testkit.Start(t, testkit.App(), echo+listener("udp:"+host+":0", "echo.e", ""))
		port := d.Addr("packets")[strings.LastIndexByte(d.Addr("packets"), ':'):]
		for _, asked := range []string{"127.0.0.1", "127.0.0.2"} {
			if got := ask(t, dial(t, asked+port), "hello"); got != "hello" { // a connected socket takes no other answers
				t.Errorf("asked at %s: %q", asked, got)
			}
		}
		if host == "" {
			if got := ask(t, dial(t, "[::1]"+port), "hello"); got != "hello" {
				t.Errorf("over IPv6: %q", got)
			}
		}
	}
}

// Packets and connections at one port, as DNS has it; an upstream that is not
// there is told from one that is slow.
func TestBesideConnections(t *testing.T) {
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	config := fmt.Sprintf(`
data_dir = "data"
service "tcp" "dns" {
  upstreams = [%q, %q]
  passive {
    fails = 1
    down  = "1m"
  }
}
`, gone.LocalAddr(), upstream(t, "up"))
	d := testkit.Start(t, testkit.App(), config+listener("udp:127.0.0.1:0", "tcp.dns", ""))
	for range 3 {
		d.Eventually("only the upstream that is up is asked", func() bool {
			c := dial(t, d.Addr("packets"))
			_, _ = c.Write([]byte("hello"))
			_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			n, err := c.Read(make([]byte, 64))
			return err == nil && n > 0
		})
	}
}
