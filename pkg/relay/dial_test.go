package relay_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/port"
	"github.com/porticod/portico/pkg/relay"
)

// server hands each of its connections to f, and closes it then.
func server(t *testing.T, f func(net.Conn)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); f(c) }()
		}
	}()
	return netip.MustParseAddrPort(ln.Addr().String())
}

func dial(t *testing.T, to netip.AddrPort) net.Conn {
	t.Helper()
	c, err := relay.Dial(t.Context(), to, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// What was dialed can be used like any connection.
func TestDial(t *testing.T) {
	c := dial(t, server(t, func(c net.Conn) { _, _ = io.Copy(c, c) }))
	if c.LocalAddr().String() == c.RemoteAddr().String() || c.LocalAddr().(*net.TCPAddr).Port == 0 {
		t.Errorf("%v to %v", c.LocalAddr(), c.RemoteAddr())
	}
	const size = 4 << 20 // more than the sockets hold
	errs := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, size))
		errs <- errors.Join(err, c.(interface{ CloseWrite() error }).CloseWrite())
	}()
	if b, err := io.ReadAll(c); len(b) != size || err != nil {
		t.Errorf("%d bytes came back, %v", len(b), err)
	}
	if err := <-errs; err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{"close": c.Close(), "deadline": c.SetDeadline(time.Now())} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after the end: %v", what, err)
		}
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after the end: %v", err)
	}
}

func TestDialedDeadline(t *testing.T) {
	c := dial(t, server(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }))
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestDialRefused(t *testing.T) {
	to := netip.MustParseAddrPort(port.Hold(t).Addr)
	c, err := relay.Dial(t.Context(), to, patience)
	if want := "dial tcp " + to.String() + ": connect: connection refused"; c != nil || !errors.Is(err, syscall.ECONNREFUSED) || err.Error() != want {
		t.Errorf("%v, %v instead of %s", c, err, want)
	}
}

// A server that does not answer is waited for, as long as is allowed.
func TestDialWaits(t *testing.T) {
	t.Parallel()
	to, accept := reluctant(t)
	if c, err := relay.Dial(t.Context(), to, 50*time.Millisecond); c != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, %v after its time", c, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if c, err := relay.Dial(ctx, to, patience); c != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v without a context", c, err)
	}
	time.AfterFunc(50*time.Millisecond, accept)
	c := dial(t, to) // the kernel asks again after a second
	if _, err := c.Write([]byte("x")); err != nil {
		t.Error(err)
	}
}

// reluctant is a server whose queue is full until accept takes from it.
func reluctant(t *testing.T) (to netip.AddrPort, accept func()) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(sa.(*syscall.SockaddrInet4).Port))
	taken := 0
	for {
		c, err := net.DialTimeout("tcp", to.String(), 200*time.Millisecond)
		if err != nil {
			break // it is full
		}
		t.Cleanup(func() { _ = c.Close() })
		if taken++; taken > 100 {
			t.Fatal("the queue has no end")
		}
	}
	return to, func() {
		for range taken {
			if nfd, _, err := syscall.Accept(fd); err == nil {
				t.Cleanup(func() { _ = syscall.Close(nfd) })
			}
		}
	}
}
