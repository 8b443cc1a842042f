package options_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// option: listener.address listener.service listener.allow listener.deny listener.trusted_proxies
// option: listener.proxy_protocol.from listener.detect.timeout listener.detect.silent
// option: listener.http3 in test/http3/http3_test.go
func TestListeners(t *testing.T) {
	t.Parallel()
	d := start(t, `
variable "app" {}
service "proxy" "app" { upstreams = ["http://${var.app}"] }
service "respond" "hello" { body = "hello" }
service "echo" "raw" {}
listener "many" {
  address         = ["127.0.0.1:0", "unix:many.sock"]
  service         = service.proxy.app
  trusted_proxies = ["127.0.0.2"]
}
listener "behind" {
  address = "127.0.0.1:0"
  service = service.proxy.app
  proxy_protocol { from = ["127.0.0.0/8"] }
  allow = ["198.51.100.0/24", "203.0.113.0/24"]
  deny  = ["203.0.113.7"]
}
listener "gives" {
  address = "127.0.0.1:0"
  service = service.echo.raw
  detect { timeout = "100ms" }
  route {
    protocol = "http"
    service  = service.respond.hello
  }
}
listener "closes" {
  address = "127.0.0.1:0"
  service = service.echo.raw
  detect {
    timeout = "200ms"
    silent  = "close"
  }
  route {
    protocol = "http"
    service  = service.respond.hello
  }
}
`, "app", backend(t, asked))

	// Whom a trusted proxy names is the client.
	const claims = "GET / HTTP/1.0\r\nX-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\n\r\n"
	for addr, want := range map[string]string{"127.0.0.2": "for=192.0.2.9 proto=https", "127.0.0.1": "for=127.0.0.1 proto=http"} {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}, Timeout: patience}).Dial("tcp", d.Addr("many"))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		send(t, c, claims)
		b, err := io.ReadAll(c)
		_ = c.Close()
		if err != nil || !strings.HasSuffix(string(b), want) {
			t.Errorf("through %s: %q %v", addr, b, err)
		}
	}
	if got := answered(t, dial(t, "unix:"+filepath.Join(d.Dir, "many.sock"))); got != http.StatusOK {
		t.Errorf("over the unix socket: %d", got)
	}

	for addr, want := range map[string]int{"198.51.100.1": 200, "203.0.113.1": 200, "203.0.113.7": 0, "192.0.2.1": 0} {
		if got := answered(t, from(t, d.Addr("behind"), addr)); got != want {
			t.Errorf("allow and deny, %s: %d, not %d", addr, got, want)
		}
	}
	c := from(t, d.Addr("behind"), "198.51.100.1")
	send(t, c, "GET / HTTP/1.0\r\n\r\n")
	if b, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(b), "for=198.51.100.1 proto=http") {
		t.Errorf("who a PROXY header names: %q %v", b, err)
	}

	silent(t, d.Addr("gives"), d.Addr("closes"))
}

// silent says nothing to two listeners that want to know the protocol.
func silent(t *testing.T, gives, ends string) {
	t.Helper()
	const defaultIs = 3 * time.Second
	once := func() time.Duration {
		c := dial(t, gives)
		begin := time.Now()
		closes(t, dial(t, ends))
		// By now the other one was given to the service that does not speak HTTP.
		send(t, c, "GET / HTTP/1.1\r\n")
		if got := line(t, c); got != "GET / HTTP/1.1\r" {
			t.Errorf("%q", got)
		}
		return time.Since(begin)
	}
	took := once()
	for range 5 { // on a busy machine everything takes longer
		if took >= defaultIs {
			took = once()
		}
	}
	if took >= defaultIs {
		t.Errorf("closed after %v", took)
	}
}

// option: listener.limits.connections listener.limits.per_ip listener.limits.rate
// option: listener.limits.requests listener.limits.burst listener.limits.body listener.limits.header
// option: listener.limits.handshakes listener.limits.bytes in test/frontdoor/limits_test.go
// option: listener.timeouts.header listener.timeouts.idle listener.timeouts.read listener.timeouts.write in test/frontdoor/slow_test.go
// option: listener.timeouts.min_rate in test/frontdoor/slow_test.go
func TestLimitsOfListeners(t *testing.T) {
	t.Parallel()
	d := start(t, `
service "respond" "hello" { body = "hello" }
service "echo" "echo" {}
listener "full" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  limits { connections = 2 }
}
listener "each" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  limits { per_ip = 2 }
}
listener "rate" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  limits { rate = 0.001 }
}
listener "requests" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  limits {
    requests = 0.001
    burst    = 3
  }
}
listener "size" {
  address = "127.0.0.1:0"
  service = service.echo.echo
  limits {
    body   = "10B"
    header = "1KiB"
  }
}
`)
	// Each has 200 as often as it may, with connections that stay open.
	for name, want := range map[string][2]string{
		"full": {"200 200 0", "0"}, "each": {"200 200 0", "200"}, "rate": {"200 0 0", "200"}, "requests": {"200 200 200 429", "200"},
	} {
		got := make([]string, len(strings.Fields(want[0])))
		for i := range got {
			got[i] = fmt.Sprint(answered(t, from(t, d.Addr(name), "198.51.100.1")))
		}
		other := fmt.Sprint(answered(t, from(t, d.Addr(name), "198.51.100.2")))
		if strings.Join(got, " ") != want[0] || other != want[1] {
			t.Errorf("%s: %v, another address %s; not %v", name, got, other, want)
		}
	}
	size := d.URL("size")
	ask(t, http.MethodPost, size, "0123456789").is(t, http.StatusOK, "0123456789")
	ask(t, http.MethodPost, size, "0123456789a").is(t, http.StatusRequestEntityTooLarge, "")
	get(t, size, "X-Long", strings.Repeat("x", 500)).is(t, http.StatusOK, "")
	get(t, size, "X-Long", strings.Repeat("x", 8000)).is(t, http.StatusRequestHeaderFieldsTooLarge, "")
}
