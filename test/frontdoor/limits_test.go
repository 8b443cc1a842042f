package frontdoor_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/porticod/portico/internal/testkit"
)

// A handshake costs more than most answers: an address has some of them a second,
// and another address its own.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	d := testkit.Start(t, testkit.App(), `
data_dir = "data"
service "respond" "hello" { body = "hello" }
service "echo" "raw" {}
listener "direct" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  tls { self_signed = true }
  limits { handshakes = 3 }
}
listener "split" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  tls { self_signed = true }
  limits { handshakes = 3 }
  route {
    protocol = "ssh"
    service  = service.echo.raw
  }
}
`)
	for _, l := range []string{"direct", "split"} {
		addr := d.Addr(l)
		shake := func(client string) bool { return clientTLS(from(t, addr, client)).Handshake() == nil }
		good := 0
		for i := range 20 {
			if shake(fmt.Sprintf("2001:db8:0:7::%d", i+1)) {
				good++
			}
		}
		// A second may pass meanwhile, on a slow machine a few.
		if good < 3 || good > 12 {
			t.Errorf("%s: %d of 20 handshakes at once", l, good)
		}
		if !shake("2001:db8:0:8::1") || !shake("198.51.100.1") {
			t.Errorf("%s: others are refused", l)
		}
		for range 10 {
			if !shake("127.0.0.9") {
				t.Fatalf("%s: loopback is not exempt", l)
			}
		}
		metric(t, d, fmt.Sprintf(`portico_listener_refused_total{listener=%q,reason="handshakes"}`, l), float64(20-good))
	}
}

const rated = `
data_dir = "data"
service "respond" "hello" { body = "hello" }
listener "web" {
  address         = "127.0.0.1:0"
  service         = service.respond.hello
  trusted_proxies = ["127.0.0.0/8"]
  http3           = true
  tls { self_signed = true }
  limits {
    requests = %s
    burst    = %d
  }
}
`

// Requests of one address count together, whatever they come over.
func TestRequests(t *testing.T) {
	t.Parallel()
	d := testkit.Start(t, testkit.App(), fmt.Sprintf(rated, "0.1", 9))
	insecure := &tls.Config{InsecureSkipVerify: true}
	one := &http.Transport{TLSClientConfig: insecure.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	two := &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: true}
	three := &http3.Transport{
		TLSClientConfig: insecure.Clone(),
		Dial: func(ctx context.Context, _ string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, d.Addr("web"), tc, qc)
		},
	}
	defer three.Close()
	ask := func(tr http.RoundTripper, client string) (res *http.Response, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL("web"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if client != "" {
			req.Header.Set("X-Forwarded-For", client)
		}
		if res, err = (&http.Client{Transport: tr, Timeout: patience}).Do(req); err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(b)
	}
	transports := []http.RoundTripper{one, two, three}
	for i := range 9 {
		res, body := ask(transports[i%3], fmt.Sprintf("2001:db8:0:7::%d", i))
		if res.StatusCode != http.StatusOK || body != "hello" || res.ProtoMajor != i%3+1 {
			t.Fatalf("request %d: %s %s", i, res.Proto, res.Status)
		}
	}
	for i, tr := range transports {
		res, body := ask(tr, "2001:db8:0:7::9")
		after, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if res.StatusCode != http.StatusTooManyRequests || err != nil || after < 1 || after > 10 || !strings.Contains(body, "Too many") {
			t.Errorf("HTTP/%d, one too many: %s %v %s", i+1, res.Status, res.Header, body)
		}
		if res, _ := ask(tr, "2001:db8:0:8::1"); res.StatusCode != http.StatusOK {
			t.Errorf("HTTP/%d, somebody else: %s", i+1, res.Status)
		}
		for range 12 {
			if res, _ := ask(tr, ""); res.StatusCode != http.StatusOK {
				t.Fatalf("HTTP/%d: loopback is not exempt: %s", i+1, res.Status)
			}
		}
	}
	metric(t, d, `portico_http_limited_total{listener="web",reason="requests"}`, 3)

	// A reload that leaves the limit as it is forgets nothing; another limit does.
	d.Reload(strings.Replace(fmt.Sprintf(rated, "0.1", 9), `"hello" }`, `"hello" }`+"\ndrain = \"9s\"", 1))
	if res, _ := ask(two, "2001:db8:0:7::9"); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("after a reload: %s", res.Status)
	}
	d.Reload(fmt.Sprintf(rated, "1000", 9))
	if res, _ := ask(two, "2001:db8:0:7::9"); res.StatusCode != http.StatusOK {
		t.Errorf("after the limit was raised: %s", res.Status)
	}
}

const (
	slowed = 2 << 20 // bytes that go slowly
	speed  = 1 << 20 // a second
)

// Answers to one address share its bytes, over all its connections and protocols,
// and arrive whole.
func TestBytes(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", slowed/2/16)
	upstream := testkit.Serve(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	d := testkit.Start(t, testkit.App(), fmt.Sprintf(`
data_dir = "data"
service "static" "site" { root = "site" }
service "tcp" "raw" { upstreams = [%q] }
listener "web" {
  address = "127.0.0.1:0"
  service = service.static.site
  proxy_protocol { from = ["127.0.0.0/8"] }
  tls { self_signed = true }
  limits { bytes = "1MiB" }
}
listener "clear" {
  address = "127.0.0.1:0"
  service = service.static.site
  proxy_protocol { from = ["127.0.0.0/8"] }
  limits { bytes = "1MiB" }
}
listener "raw" {
  address = "127.0.0.1:0"
  service = service.tcp.raw
  proxy_protocol { from = ["127.0.0.0/8"] }
  limits { bytes = "1MiB" }
}
`, upstream), "site/big", big)
	fetch := map[string]func(client string) string{
		"HTTP/1.1": func(client string) string {
			c := from(t, d.Addr("clear"), client)
			_, body := get(t, c, bufio.NewReader(c), "/big")
			return body
		},
		"HTTP/2": func(client string) string {
			tr := &http.Transport{
				ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
				DialContext: func(context.Context, string, string) (net.Conn, error) { return from(t, d.Addr("web"), client), nil },
			}
			defer tr.CloseIdleConnections()
			res, err := (&http.Client{Transport: tr, Timeout: patience}).Get(d.URL("web") + "/big")
			if err != nil {
				t.Error(err)
				return ""
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil || res.ProtoMajor != 2 {
				t.Errorf("%s: %v", res.Proto, err)
			}
			return string(b)
		},
		"raw": func(client string) string {
			c := from(t, d.Addr("raw"), client)
			go func() { _, _ = io.WriteString(c, big) }()
			b := make([]byte, len(big))
			if _, err := io.ReadFull(c, b); err != nil {
				t.Error(err)
			}
			return string(b)
		},
	}
	both := func(f func(string) string, client string) time.Duration {
		start := time.Now()
		var two sync.WaitGroup
		for range 2 {
			two.Go(func() {
				if f(client) != big {
					t.Error("the answer is not whole")
				}
			})
		}
		two.Wait()
		return time.Since(start)
	}
	// 1 MiB goes at once, the other takes a second. Side by side, that is all.
	var all sync.WaitGroup
	for name, f := range fetch {
		all.Go(func() {
			if took := both(f, "198.51.100.1"); took < 900*time.Millisecond || took > patience/2 {
				t.Errorf("%s: %d bytes at %d a second took %v", name, slowed, speed, took)
			}
			if took := both(f, "127.0.0.9"); took > 900*time.Millisecond {
				t.Logf("%s: loopback took %v", name, took)
			}
		})
	}
	all.Wait()
	metric(t, d, `portico_http_slowed_seconds_total{listener="clear"}`, 0.5)
}
