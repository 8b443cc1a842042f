package mux_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/mux"
)

// slow is a policy with a deadline that tests can wait for.
func slow(pol mux.Policy) mux.Policy {
	pol.DetectTimeout = 150 * time.Millisecond
	return pol
}

// networks runs a test with TCP and with a unix socket.
func networks(t *testing.T, test func(*testing.T, func(testing.TB, mux.Policy) *rig)) {
	t.Run("tcp", func(t *testing.T) { t.Parallel(); test(t, serve) })
	t.Run("unix", func(t *testing.T) { t.Parallel(); test(t, serveUnix) })
}

func TestSilentClient(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, start func(testing.TB, mux.Policy) *rig) {
		r := start(t, slow(mux.Policy{Choose: func(_ *mux.Conn, v mux.Verdict) mux.Choice {
			return mux.Choice{Raw: func(_ context.Context, c net.Conn) {
				io.WriteString(c, "220 "+string(v.Protocol)+"\r\n")
				io.Copy(c, c)
			}}
		}}))
		nc := r.dial()
		br := bufio.NewReader(nc)
		if s, err := br.ReadString('\n'); s != "220 silent\r\n" {
			t.Fatalf("got %q, %v", s, err)
		}
		// The deadline for detection is not one for the service.
		time.Sleep(200 * time.Millisecond)
		io.WriteString(nc, "HELO\n")
		if s, err := br.ReadString('\n'); s != "HELO\n" {
			t.Fatalf("got %q, %v", s, err)
		}

		pol := slow(mux.Policy{Listener: "test", SilentClose: true, Choose: choose})
		r.Apply(pol)
		if b, err := io.ReadAll(r.dial()); len(b) > 0 || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
		r.refused("silent", 1)
	})
}

// TestByteByByte sends a request in pieces; each must be waited for without
// spinning.
func TestByteByByte(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, start func(testing.TB, mux.Policy) *rig) {
		r := start(t, mux.Policy{})
		nc := r.dial()
		for _, b := range []byte("BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") {
			nc.Write([]byte{b})
			time.Sleep(2 * time.Millisecond)
		}
		if b, err := io.ReadAll(nc); !strings.Contains(string(b), "hello HTTP/1.1") {
			t.Fatalf("got %q, %v", b, err)
		}
		if n := r.metric("portico_listener_protocol_total", "http1"); n != 1 {
			t.Errorf("counted as http1: %v", n)
		}
	})
}

// TestTooSlow sends a byte at a time for longer than the deadline.
func TestTooSlow(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, start func(testing.TB, mux.Policy) *rig) {
		r := start(t, slow(mux.Policy{Choose: func(_ *mux.Conn, v mux.Verdict) mux.Choice {
			if v.Protocol != mux.Unknown {
				t.Errorf("classified as %q", v.Protocol)
			}
			return mux.Choice{}
		}}))
		nc := r.dial()
		begin := time.Now()
		var err error
		for err == nil && time.Since(begin) < wait.Patience {
			_, err = nc.Write([]byte{'X'}) // a method that never ends
			time.Sleep(10 * time.Millisecond)
		}
		if d := time.Since(begin); d > 20*time.Second {
			t.Fatalf("closed after %v", d)
		}
		r.refused("unmatched", 1)
	})
}

// TestNoVerdict sends 16 KiB that say nothing: that is enough.
func TestNoVerdict(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, start func(testing.TB, mux.Policy) *rig) {
		r := start(t, mux.Policy{DetectTimeout: time.Minute})
		what := "GET_ /" + strings.Repeat("x", 20<<10) // no second space
		if got := r.exchange(what); got != what {
			t.Fatalf("got %d bytes of %d", len(got), len(what))
		}
		if n := r.metric("portico_listener_protocol_total", "unknown"); n != 1 {
			t.Errorf("counted as unknown: %v", n)
		}
	})
}

// TestHalfClose ends the client's stream before there is a verdict.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, start func(testing.TB, mux.Policy) *rig) {
		r := start(t, mux.Policy{DetectTimeout: time.Minute})
		for _, what := range []string{"", "GE", "\x16\x03\x01\x02\x00\x01\x00"} {
			if got := r.exchange(what); got != what { // at once
				t.Fatalf("got %q of %q", got, what)
			}
			nc := r.dial()
			io.WriteString(nc, what)
			time.Sleep(5 * time.Millisecond) // the end comes alone
			nc.(interface{ CloseWrite() error }).CloseWrite()
			if b, err := io.ReadAll(nc); string(b) != what || err != nil {
				t.Fatalf("got %q of %q, %v", b, what, err)
			}
		}
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{DetectTimeout: time.Minute})
	nc := r.dial()
	io.WriteString(nc, "GE")
	wait.Until(t, "it is pending", func() bool { return r.Pending() == 1 })
	nc.(*net.TCPConn).SetLinger(0)
	nc.Close()
	wait.Until(t, "nothing is open", func() bool { return r.Open() == 0 && r.Pending() == 0 })
}

// TestTLSSilent: who says nothing on a TLS port is closed by the deadline.
func TestTLSSilent(t *testing.T) {
	t.Parallel()
	r := serve(t, slow(mux.Policy{Look: mux.LookHTTP, TLS: serverTLS()}))
	if b, err := io.ReadAll(r.dial()); len(b) > 0 || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	r.refused("silent", 1)
}

// TestTLSSlow begins a handshake and goes no further.
func TestTLSSlow(t *testing.T) {
	t.Parallel()
	for _, look := range []mux.Look{mux.LookHTTP, mux.LookSplit} {
		r := serve(t, slow(mux.Policy{Look: look, TLS: serverTLS(), Choose: terminate,
			Front: mux.Front{HeaderTimeout: 100 * time.Millisecond}}))
		nc := r.dial()
		nc.Write(clientHello(t, clientTLS())[:100])
		io.ReadAll(nc) // maybe with an alert
		wait.Until(t, "it is closed", func() bool { return r.Open() == 0 })
	}
}

// TestSlowHeader dribbles a header; the deadline is for the whole of it.
func TestSlowHeader(t *testing.T) {
	t.Parallel()
	for _, look := range []mux.Look{mux.LookHTTP, mux.LookSplit} {
		r := serve(t, mux.Policy{Look: look, Front: mux.Front{HeaderTimeout: 100 * time.Millisecond}})
		nc := r.dial()
		begin := time.Now()
		io.WriteString(nc, "GET / HTTP/1.1\r\nX: ")
		var err error
		for err == nil && time.Since(begin) < wait.Patience {
			_, err = nc.Write([]byte{'x'})
			time.Sleep(10 * time.Millisecond)
		}
		if d := time.Since(begin); d > 20*time.Second {
			t.Fatalf("closed after %v", d)
		}
	}
}

func TestBigHeader(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{Look: mux.LookHTTP})
	nc := r.dial()
	go io.WriteString(nc, "GET / HTTP/1.1\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
	res, _ := answer(t, bufio.NewReader(nc))
	if res.StatusCode != 431 {
		t.Fatalf("got %s", res.Status)
	}
}

// TestGoroutines: a thousand connections of all sorts leave none behind, and a
// thousand silent ones cost one each.
func TestGoroutines(t *testing.T) {
	r := serve(t, mux.Policy{TLS: serverTLS(), Choose: func(c *mux.Conn, v mux.Verdict) mux.Choice {
		if v.Protocol == mux.HTTP1 {
			return mux.Choice{HTTP: true}
		}
		return terminate(c, v)
	}, DetectTimeout: time.Minute})
	r.exchange(request)
	wait.Until(t, "nothing is open", func() bool { return r.Open() == 0 })
	before := runtime.NumGoroutine()
	var silent []net.Conn
	for range 1000 {
		silent = append(silent, r.dial())
	}
	wait.Until(t, "all are pending", func() bool { return r.Pending() == 1000 })
	if n := runtime.NumGoroutine() - before; n > 1010 {
		t.Errorf("%d goroutines for 1000 silent clients", n)
	}
	for _, nc := range silent {
		nc.Close()
	}
	for i := range 1000 {
		switch i % 4 {
		case 0:
			r.exchange(request)
		case 1:
			r.exchange("SSH-2.0")
		case 2:
			r.exchange("")
		case 3:
			if i%40 == 3 { // handshakes are dear
				c := tls.Client(r.dial(), clientTLS("echo"))
				c.Handshake()
				c.Close()
			}
		}
	}
	wait.Until(t, "nothing is open", func() bool { return r.Open() == 0 && r.Pending() == 0 })
	wait.Until(t, fmt.Sprintf("%d goroutines", before), func() bool { return runtime.NumGoroutine() <= before+5 })
}
