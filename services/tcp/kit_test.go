package tcp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/port"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/servicetest"
	"github.com/porticod/portico/services/tcp"
)

const patience = time.Minute

// backend is a server whose connections are handed to f and closed after it.
func backend(t testing.TB, f func(c net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, ln, f)
	return ln.Addr().String()
}

func unixBackend(t testing.TB, f func(c net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, ln, f)
	return "unix:" + ln.Addr().String()
}

func serve(t testing.TB, ln net.Listener, f func(c net.Conn)) {
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			go func() { defer c.Close(); f(c) }()
		}
	}()
}

// says is a server that greets and hangs up.
func says(word string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, word) }
}

func mirror(c net.Conn) { _, _ = io.Copy(c, c) }

// refused is an address where nobody listens.
func refused(t testing.TB) string { return port.Hold(t).Addr }

// config is the default with upstreams.
func config(upstreams ...string) tcp.Config {
	cfg := tcp.Type{}.Default()
	cfg.Upstreams, cfg.Health = upstreams, nil
	return cfg
}

// open starts a relay and a port in front of it.
func open(t testing.TB, cfg tcp.Config) (*tcp.Service, *servicetest.Env, *servicetest.RawServer) {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	env := servicetest.NewEnv(t, "tcp", "test")
	s, err := tcp.Type{}.Open(context.Background(), env.Env, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, env, servicetest.Raw(t, s)
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// hear reads all that a new connection to addr is told.
func hear(t testing.TB, addr string) string {
	t.Helper()
	b, err := io.ReadAll(dial(t, addr))
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(b)
}

func send(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%q, %v instead of %q", got[:n], err, want)
	}
}

// metric is the value of a metric, named without its prefix.
func metric(t testing.TB, s service.Metered, name string) float64 {
	t.Helper()
	return servicetest.Metric(t, s, "portico_tcp_"+name)
}

func waitMetric(t testing.TB, s service.Metered, name string, want float64) {
	t.Helper()
	servicetest.WaitMetric(t, s, "portico_tcp_"+name, want)
}
