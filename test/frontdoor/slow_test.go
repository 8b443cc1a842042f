package frontdoor_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/wait"
)

const patient = `
data_dir = "data"
service "echo" "e" {}
service "respond" "hello" { body = "hello" }
service "static" "site" { root = "site" }
listener "web" {
  address = "127.0.0.1:0"
  service = service.static.site
  %s
  timeouts {
    header   = "1s"
    read     = "1s"
    write    = "1s"
    idle     = "2s"
    min_rate = "100KiB"
  }
  route {
    path    = "/echo"
    service = service.echo.e
  }
  route {
    path    = "/hello"
    service = service.respond.hello
  }
}
`

func startPatient(t *testing.T, more string) *testkit.Daemon {
	d := testkit.Start(t, testkit.App(), fmt.Sprintf(patient, more), "site/index.html", "")
	f, err := os.Create(filepath.Join(d.Dir, "site", "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	return d
}

// ends reports after how long the other side ended c, which says a byte now and
// then.
func ends(t *testing.T, c net.Conn, every time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = c.SetReadDeadline(start.Add(patience))
		if _, err := io.Copy(io.Discard, c); timeout(err) {
			t.Error("the connection is held for ever")
		}
	}()
	for tick := time.NewTicker(every); ; {
		select {
		case <-over:
			tick.Stop()
			return time.Since(start)
		case <-tick.C:
			_, _ = c.Write([]byte("1"))
		}
	}
}

// Who sends a byte now and then is ended, wherever in a request it is, and
// whoever reads the body, or nobody.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	d := startPatient(t, "")
	var all sync.WaitGroup // not subtests: only as many of these wait at once as there are processors
	for name, text := range map[string]string{
		"header":          "GET / HTTP/1.1\r\nHost: x\r\nX: ",
		"body":            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
		"chunk":           "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n",
		"chunk extension": "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4000;",
		"unwanted body":   "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
		"unwanted chunk":  "POST /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n",
		"refused body":    "POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
		"expectation":     "POST /hello HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n",
	} {
		c := dial(t, d.Addr("web"))
		send(t, c, text)
		all.Go(func() {
			if took := ends(t, c, 100*time.Millisecond); took > patience/2 {
				t.Errorf("%s: it took %v", name, took)
			}
		})
	}
	all.Wait()
}

func TestSlowBodiesAreCounted(t *testing.T) {
	t.Parallel()
	d := startPatient(t, "")
	c := dial(t, d.Addr("web"))
	send(t, c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	ends(t, c, 50*time.Millisecond)
	metric(t, d, `portico_listener_slow_total{listener="web",reason="body"}`, 1)
}

// An answer to an expectation that will not be met does not wait for the body.
func TestExpectationNotMet(t *testing.T) {
	t.Parallel()
	d := startPatient(t, "limits { body = \"1KiB\" }")
	for _, target := range []string{"/hello", "/none", "/echo"} {
		ask := func() time.Duration {
			c := dial(t, d.Addr("web"))
			start := time.Now()
			send(t, c, "POST "+target+" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("%s: %v", target, err)
			}
			if res.StatusCode == http.StatusContinue || !res.Close {
				t.Errorf("%s: %s, close %v", target, res.Status, res.Close)
			}
			return time.Since(start)
		}
		took := ask()
		for range 20 { // on a busy machine everything takes longer
			if took > 800*time.Millisecond {
				took = ask()
			}
		}
		if took > 800*time.Millisecond {
			t.Errorf("%s: after %v", target, took)
		}
	}
}

// sip reads n bytes at a time, and reports whether the other side ended the answer
// before its end.
func sip(r io.Reader, n int, every time.Duration, sipped func()) (cut bool, read int64) {
	b := make([]byte, n)
	for tick, end := time.NewTicker(every), time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		m, err := r.Read(b)
		sipped()
		read += int64(m)
		if err != nil {
			return !errors.Is(err, io.EOF) && !timeout(err), read
		}
	}
	return false, read
}

func smallWindow(c net.Conn) {
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
}

// Who reads a little now and then is ended.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	d := startPatient(t, "")
	tlsD := startPatient(t, "tls { self_signed = true }")
	t.Run("HTTP/1.1", func(t *testing.T) {
		t.Parallel()
		c := dial(t, d.Addr("web"))
		smallWindow(c)
		send(t, c, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
		if cut, n := sip(c, 1<<10, 50*time.Millisecond, func() {}); !cut {
			t.Errorf("not cut after %d bytes", n)
		}
		metric(t, d, `portico_listener_slow_total{listener="web",reason="answer"}`, 1)
	})
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		tr := &http.Transport{
			ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 4 << 20},
		}
		defer tr.CloseIdleConnections()
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, tlsD.URL("web")+"/big", nil)
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if cut, n := sip(res.Body, 1<<10, 50*time.Millisecond, func() {}); !cut {
			t.Errorf("not cut after %d bytes", n)
		}
		metric(t, tlsD, `portico_http_limited_total{listener="web",reason="slow"}`, 1)
	})
}

// A large answer that is read slowly, but fast enough, is not cut, although it
// takes longer than every timeout.
func TestModestReaders(t *testing.T) {
	t.Parallel()
	d := testkit.Start(t, testkit.App(), `
data_dir = "data"
service "static" "site" { root = "site" }
listener "web" {
  address = "127.0.0.1:0"
  service = service.static.site
  tls { self_signed = true }
  timeouts {
    write    = "1s"
    min_rate = "64KiB"
  }
}
`, "site/big", strings.Repeat("x", 2<<20))
	for _, proto := range []int{1, 2} {
		t.Run(fmt.Sprint("HTTP/", proto), func(t *testing.T) {
			t.Parallel()
			tr := &http.Transport{
				ForceAttemptHTTP2: proto == 2, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
				HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10},
				DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
					c, err := (&net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
						return rc.Control(func(fd uintptr) {
							_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10)
						})
					}}).Dial(network, addr)
					return c, err
				},
			}
			defer tr.CloseIdleConnections()
			wait.Steady(t, 500*time.Millisecond, func(beat func()) error {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL("web")+"/big", nil)
				res, err := tr.RoundTrip(req)
				if err != nil {
					return err
				}
				defer res.Body.Close()
				beat()
				if cut, n := sip(res.Body, 64<<10, 20*time.Millisecond, beat); cut || n != 2<<20 || res.ProtoMajor != proto {
					return fmt.Errorf("%s: cut %v after %d bytes", res.Proto, cut, n)
				}
				return nil
			})
		})
	}
}
