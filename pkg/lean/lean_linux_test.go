package lean_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/lean"
)

const patience = time.Minute

// pair is a connection and its other end.
func pair(t *testing.T) (*lean.Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	_ = far.SetDeadline(time.Now().Add(patience))
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, err := lean.Of(near.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := near.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection that it was made of: %v", err)
	}
	return c, far.(*net.TCPConn)
}

// watched is how many descriptors the epolls of the process watch.
func watched(t *testing.T) (n int) {
	t.Helper()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range infos {
		b, _ := os.ReadFile(file) // one may be gone
		n += strings.Count(string(b), "tfd:")
	}
	return n
}

// What needs no waiting leaves the poller alone.
func TestThePollerDoesNotKnowIt(t *testing.T) {
	c, far := pair(t)
	before := watched(t)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(far, b); err != nil || string(b) != "hello" {
		t.Fatalf("%q, %v", b, err)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	wrote := false
	if err := raw.Write(func(fd uintptr) bool { _, err = unix.Write(int(fd), []byte("again")); wrote = true; return true }); err != nil || !wrote {
		t.Error(err)
	}
	if _, err := io.ReadFull(far, b); err != nil || string(b) != "again" {
		t.Fatalf("%q, %v", b, err)
	}
	if err := errors.Join(c.SetDeadline(time.Time{}), c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{}), c.SetLinger(-1)); err != nil {
		t.Error(err)
	}
	if c.LocalAddr().String() != far.RemoteAddr().String() || c.RemoteAddr().String() != far.LocalAddr().String() {
		t.Errorf("%v from %v", c.LocalAddr(), c.RemoteAddr())
	}
	if n := watched(t); n != before {
		t.Errorf("%d descriptors are watched, not %d", n, before)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if n := watched(t); n != before+1 {
		t.Errorf("%d descriptors are watched by who waits, not %d", n, before+1)
	}
}

// It can be used like any connection.
func TestWaiting(t *testing.T) {
	c, far := pair(t)
	const size = 4 << 20 // more than the sockets hold
	want := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	go func() { _, _ = io.Copy(far, far); _ = far.CloseWrite() }()
	errs := make(chan error, 1)
	go func() {
		_, err := c.Write(want)
		errs <- errors.Join(err, c.CloseWrite())
	}()
	if b, err := io.ReadAll(c); !bytes.Equal(b, want) || err != nil {
		t.Errorf("%d bytes came back, or others, %v", len(b), err)
	}
	if err := <-errs; err != nil {
		t.Error(err)
	}
}

// Who waits is told of the end.
func TestClose(t *testing.T) {
	for _, what := range []struct {
		name string
		wait func(*lean.Conn) error
	}{
		{"read", func(c *lean.Conn) error { _, err := c.Read(make([]byte, 1)); return err }},
		{"raw", func(c *lean.Conn) error {
			raw, _ := c.SyscallConn()
			return raw.Read(func(uintptr) bool { return false })
		}},
	} {
		t.Run(what.name, func(t *testing.T) {
			c, far := pair(t)
			before := watched(t)
			done := make(chan error, 1)
			go func() { done <- what.wait(c) }()
			for end := time.Now().Add(patience); watched(t) == before && time.Now().Before(end); {
				runtime.Gosched()
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			select {
			case err := <-done:
				if err == nil {
					t.Error("nothing is wrong with it")
				}
			case <-time.After(patience):
				t.Fatal("it waits on")
			}
			if _, err := far.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // io.Reader's contract
				t.Errorf("the other end: %v", err)
			}
		})
	}
}

func TestAfterTheEnd(t *testing.T) {
	c, _ := pair(t)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	raw, _ := c.SyscallConn()
	_, rerr := c.Read(make([]byte, 1))
	_, werr := c.Write(make([]byte, 1))
	for what, err := range map[string]error{
		"close": c.Close(), "read": rerr, "write": werr, "deadline": c.SetDeadline(time.Now()), "no deadline": c.SetDeadline(time.Time{}),
		"half": c.CloseWrite(), "linger": c.SetLinger(0), "control": raw.Control(func(uintptr) {}), "raw": raw.Write(func(uintptr) bool { return true }),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if c.Local().IsValid() {
		t.Error(c.Local())
	}
}

func TestSockaddr(t *testing.T) {
	for _, s := range []string{"127.0.0.1:80", "192.0.2.255:65535", "[::1]:443", "[2001:db8::1]:1"} {
		a := netip.MustParseAddrPort(s)
		sa, _, _ := lean.SockaddrOf(a)
		if got := sa.AddrPort(); got != a {
			t.Errorf("%v for %v", got, a)
		}
	}
}
