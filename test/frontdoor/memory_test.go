package frontdoor_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

const (
	memoryLimit  = 32 << 20
	memoryConfig = `
data_dir = "data"
limits { memory = "32MiB" }
log {
  access { off = true }
}
service "respond" "hello" { body = "hello" }
service "echo" "echo" {}
listener "web" {
  address = "127.0.0.1:0"
  service = service.respond.hello
}
listener "raw" {
  address = "127.0.0.1:0"
  route {
    protocol = "any"
    service  = service.echo.echo
  }
}
`
)

// Who has no memory left takes on nothing new, lives, goes on with what there
// is, and takes on new work again when there is room.
func TestMemoryLimit(t *testing.T) {
	d := testkit.StartBinary(t, program.Shipped(t), memoryConfig)
	raw := dial(t, d.Addr("raw"))
	echoes := func(text string) {
		t.Helper()
		_ = raw.SetDeadline(time.Now().Add(patience))
		send(t, raw, text)
		if _, err := io.ReadFull(raw, make([]byte, len(text))); err != nil {
			t.Fatalf("the connection from before: %v", err)
		}
	}
	echoes("hello")
	idle, refusals := fill(t, d.Addr("web"))
	t.Logf("%d connections, then %d refusals, at %d KiB", len(idle), refusals, memory(t, d.PID())>>10)
	if refusals < 20 {
		t.Fatalf("only %d connections were refused", refusals)
	}
	// The pages of the binary, at most 40 MiB, do not count.
	if used := memory(t, d.PID()); used > memoryLimit*5/4+40<<20 {
		t.Errorf("%d bytes in memory with a limit of %d", used, memoryLimit)
	}
	metric(t, d, `portico_listener_refused_total{listener="web",reason="memory"}`, 1)
	if s := d.Status(); s.Ready || !strings.Contains(s.Degraded, "memory") {
		t.Errorf("ready %v: %q", s.Ready, s.Degraded)
	}
	echoes("still here")
	first := idle[0]
	_ = first.SetDeadline(time.Now().Add(patience))
	if res, body := get(t, first, bufio.NewReader(first), "/"); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !res.Close {
		t.Errorf("a request: %s %v %q", res.Status, res.Header, body)
	}
	for _, c := range idle {
		_ = c.Close()
	}
	d.Eventually("there is room again", func() bool { return d.Status().Ready })
	if again, _ := ask(d.Addr("web")); again == nil {
		t.Error("refused, though there is room")
	} else {
		_ = again.Close()
	}
	echoes("and on")
	for _, line := range []string{"the limit of memory is reached", "there is memory again"} {
		if len(d.Find(line)) == 0 {
			t.Errorf("the log does not say %q", line)
		}
	}
}

// fill opens connections until a number of them was refused.
func fill(t *testing.T, addr string) (open []net.Conn, refusals int) {
	t.Helper()
	t.Cleanup(func() {
		for _, c := range open {
			_ = c.Close()
		}
	})
	for len(open) < 9000 && refusals < 20 {
		c, err := ask(addr)
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			refusals++
			continue
		}
		open = append(open, c)
	}
	return open, refusals
}

// ask opens a connection and gets one answer over it; nil is a refusal.
func ask(addr string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err == nil {
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && res.StatusCode == http.StatusOK {
			return c, nil
		}
	}
	return nil, c.Close()
}
