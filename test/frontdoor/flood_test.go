package frontdoor_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

const guarded = `
data_dir = "data"
service "respond" "hello" { body = "hello" }
listener "web" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  limits {
    connections = 3000
    per_ip      = 100
    body        = "1KiB"
    header      = "8KiB"
  }
  timeouts { header = "2s" }
}
`

// half is a request that never comes to its end.
const half = "GET / HTTP/1.1\r\nHost: x\r\nX: "

// flood opens n connections side by side, each of them of another client, and
// sends text on each.
func flood(t *testing.T, addr string, n int, client func(int) string, text string) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	var all sync.WaitGroup
	for part := range 16 {
		all.Go(func() {
			for i := part; i < n; i += 16 {
				c, err := net.DialTimeout("tcp", addr, patience)
				if err != nil {
					t.Error(err)
					return
				}
				conns[i] = c
				_ = c.SetDeadline(time.Now().Add(patience))
				_, _ = fmt.Fprintf(c, "PROXY TCP4 %s 192.0.2.1 4321 80\r\n%s", client(i), text) // it may be refused
			}
		})
	}
	all.Wait()
	t.Cleanup(func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	})
	return conns
}

// One address with thousands of connections that hold half a request each keeps
// nobody else out, and does not hold them for long.
func TestLorisOfOneAddress(t *testing.T) {
	t.Parallel()
	d := testkit.Start(t, testkit.App(), guarded)
	addr := d.Addr("web")
	conns := flood(t, addr, 2000, func(int) string { return "198.51.100.1" }, half)
	start := time.Now()
	for i := range 20 {
		c := from(t, addr, fmt.Sprintf("198.51.100.%d", 2+i))
		if _, body := get(t, c, bufio.NewReader(c), "/"); body != "hello" {
			t.Fatalf("got %q", body)
		}
		_ = c.Close()
	}
	t.Logf("20 others took %v", time.Since(start))
	metric(t, d, `portico_listener_refused_total{listener="web",reason="per_ip"}`, 1900)
	allEnd(t, conns)
	if c := from(t, addr, "198.51.100.1"); c != nil {
		if _, body := get(t, c, bufio.NewReader(c), "/"); body != "hello" {
			t.Errorf("afterwards: %q", body)
		}
	}
}

// Many addresses can fill the listener, and only until their time is up.
func TestLorisOfManyAddresses(t *testing.T) {
	t.Parallel()
	// So few that a slow machine opens all before the first one's time is up.
	d := testkit.Start(t, testkit.App(), strings.NewReplacer("3000", "300", `"2s"`, `"5s"`).Replace(guarded))
	addr := d.Addr("web")
	start := time.Now()
	conns := flood(t, addr, 320, func(i int) string { return fmt.Sprintf("198.51.%d.%d", i/250, i%250+1) }, half)
	metric(t, d, `portico_listener_refused_total{listener="web",reason="full"}`, 20)
	served := false
	for !served && time.Since(start) < patience {
		c := from(t, addr, "203.0.113.1")
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // it may be refused
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if served = err == nil; served {
			res.Body.Close()
		}
		_ = c.Close()
	}
	if took := time.Since(start); !served || took > patience {
		t.Errorf("another one is served: %v, after %v", served, took)
	}
	allEnd(t, conns)
}

// allEnd waits until the other side has ended all.
func allEnd(t *testing.T, conns []net.Conn) {
	t.Helper()
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, c); timeout(err) {
			t.Fatal("a connection is held for ever")
		}
	}
}

// What is too large is refused as such.
func TestOversized(t *testing.T) {
	t.Parallel()
	d := testkit.Start(t, testkit.App(), guarded)
	large := strings.Repeat("x", 2<<10)
	for _, tt := range []struct {
		name, text string
		status     int
	}{
		{"body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2048\r\n\r\n" + large, http.StatusRequestEntityTooLarge},
		{"body that fits", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1024\r\n\r\n" + large[:1024], http.StatusOK},
		{"header", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat(large, 8) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		{"header that fits", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat(large, 3) + "\r\n\r\n", http.StatusOK},
		{"target", "GET /" + strings.Repeat(large, 8) + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
	} {
		c := from(t, d.Addr("web"), "198.51.100.1")
		send(t, c, tt.text)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != tt.status {
			t.Errorf("%s: %v %v", tt.name, res, err)
		}
	}
	metric(t, d, `portico_http_limited_total{listener="web",reason="body"}`, 1)
}

// Handshakes that are begun and left, by the thousand, do not keep others out.
func TestHandshakeFlood(t *testing.T) {
	t.Parallel()
	d := testkit.Start(t, testkit.App(), strings.Replace(guarded, "limits {", "tls { self_signed = true }\n  limits {\n    handshakes = 20", 1))
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" // and no more
	conns := flood(t, d.Addr("web"), 2000, func(int) string { return "198.51.100.1" }, hello)
	c := clientTLS(from(t, d.Addr("web"), "198.51.100.2"))
	if _, body := get(t, c, bufio.NewReader(c), "/"); body != "hello" {
		t.Errorf("got %q", body)
	}
	metric(t, d, `portico_listener_refused_total{listener="web",reason="handshakes"}`, 50)
	allEnd(t, conns)
}

// A stranger cannot say that he is somebody else.
func TestProxyHeaderOfAStranger(t *testing.T) {
	t.Parallel()
	d := testkit.Start(t, testkit.App(), `
data_dir = "data"
service "respond" "hello" { body = "hello" }
service "echo" "raw" {}
listener "web" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  allow   = ["198.51.100.0/24", "127.0.0.1"]
  proxy_protocol { from = ["192.0.2.0/24"] }
}
listener "split" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["192.0.2.0/24"] }
  route {
    protocol = "ssh"
    service  = service.echo.raw
  }
}
listener "required" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  detect { timeout = "1s" }
}
`)
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x01\xc0\x00\x02\x01\x04\xd2\x00\x50"
	for _, l := range []string{"web", "split"} {
		for _, header := range []string{"PROXY TCP4 198.51.100.1 192.0.2.1 4321 80\r\n", v2} {
			c := dial(t, d.Addr(l))
			send(t, c, header+"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			b, _ := io.ReadAll(c) // it may be reset
			if s := string(b); s != "" && !strings.HasPrefix(s, "HTTP/1.1 400") && !strings.HasPrefix(s, "HTTP/1.1 404") {
				t.Errorf("%s: %.20q was answered: %.200s", l, header, s)
			}
		}
	}
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", "PROXY TCP4 "} {
		c := dial(t, d.Addr("required"))
		send(t, c, text)
		if !refused(c) {
			t.Errorf("%q instead of a PROXY header is let in", text)
		}
	}
}

// Ten thousand connections that do nothing cost memory, so much and no more, and
// no answers.
func TestIdle(t *testing.T) {
	d := testkit.StartBinary(t, program.Shipped(t), strings.NewReplacer("3000", "0", `"2s"`, `"60s"`).Replace(guarded))
	addr := d.Addr("web")
	const n = 10_000
	before := memory(t, d.PID())
	conns := flood(t, addr, n, func(i int) string { return fmt.Sprintf("198.%d.%d.%d", i/62500, i/250%250, i%250+1) }, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	for _, c := range conns {
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	metric(t, d, `portico_listener_connections_open{listener="web"}`, n)
	each := (memory(t, d.PID()) - before) / n
	t.Logf("%d idle connections: %d bytes each", n, each)
	if each > 40<<10 {
		t.Errorf("an idle connection takes %d bytes", each)
	}
	start := time.Now()
	c := from(t, addr, "203.0.113.1")
	if _, body := get(t, c, bufio.NewReader(c), "/"); body != "hello" || time.Since(start) > patience/2 {
		t.Errorf("got %q after %v", body, time.Since(start))
	}
}

// memory is what a process has in memory, in bytes.
func memory(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
