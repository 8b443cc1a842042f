package listen_test

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/lean"
	"github.com/porticod/portico/pkg/listen"
)

// serveLean is a socket that greets, and what it accepted.
func serveLean(t *testing.T, set *listen.Set, host string) (*listen.Socket, chan net.Conn) {
	t.Helper()
	k, err := set.Open(listen.Address{Network: "tcp", Host: host})
	if err != nil {
		t.Fatal(err)
	}
	k.SetLean(true)
	accepted := make(chan net.Conn, 1000)
	go k.Serve(func(nc net.Conn) {
		accepted <- nc
		io.WriteString(nc, "hello")
		nc.Close()
	})
	return k, accepted
}

func option(t *testing.T, nc net.Conn, level, name int) (v int) {
	t.Helper()
	rc, err := nc.(*lean.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	cerr := rc.Control(func(fd uintptr) { v, err = unix.GetsockoptInt(int(fd), level, name) })
	if err := errors.Join(cerr, err); err != nil {
		t.Fatal(err)
	}
	return v
}

// What is accepted so is as net has it: the peer's address, nothing held back, and
// the kernel asks whether the peer is there.
func TestLean(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "::1", ""} {
		set := listen.New(zerolog.Nop())
		k, err := set.Open(listen.Address{Network: "tcp", Host: host})
		if err != nil {
			t.Fatal(err)
		}
		k.SetLean(true)
		accepted := make(chan net.Conn, 1)
		go k.Serve(func(nc net.Conn) { accepted <- nc })
		far, err := net.Dial("tcp", k.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc := <-accepted
		if _, ok := nc.(*lean.Conn); !ok {
			t.Fatalf("%q: a %T", host, nc)
		}
		if nc.RemoteAddr().String() != far.LocalAddr().String() || nc.LocalAddr().String() != far.RemoteAddr().String() {
			t.Errorf("%q: %v to %v instead of %v to %v", host, nc.RemoteAddr(), nc.LocalAddr(), far.LocalAddr(), far.RemoteAddr())
		}
		for _, o := range [][3]int{
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
		} {
			if v := option(t, nc, o[0], o[1]); v != o[2] {
				t.Errorf("%q: option %d of %d is %d, not %d", host, o[1], o[0], v, o[2])
			}
		}
		far.Close()
		nc.Close()
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	}
}

// It is turned on and off while connections come, and none is lost.
func TestLeanOnAndOff(t *testing.T) {
	t.Parallel()
	set := listen.New(zerolog.Nop())
	defer set.Close()
	k, accepted := serveLean(t, set, "127.0.0.1")
	var stop atomic.Bool
	turned := make(chan struct{})
	go func() {
		defer close(turned)
		for on := false; !stop.Load(); on = !on {
			k.SetLean(on)
			time.Sleep(50 * time.Microsecond)
		}
	}()
	for range 300 {
		if got := greeting(t, k.Addr()); got != "hello" {
			t.Fatalf("got %q", got)
		}
		<-accepted
	}
	stop.Store(true)
	<-turned
	for _, on := range []bool{true, false} {
		k.SetLean(on)
		wait.Until(t, "connections are of the other kind", func() bool {
			greeting(t, k.Addr())
			_, is := (<-accepted).(*lean.Conn)
			return is == on
		})
	}
}

// Nothing of a socket is left when it is closed, or released, while its accept loop
// waits; what waits in it is accepted before it is closed.
func TestLeanEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*listen.Socket) error{"closed": (*listen.Socket).Close, "released": (*listen.Socket).Release} {
		set := listen.New(zerolog.Nop())
		k, accepted := serveLean(t, set, "127.0.0.1")
		greeting(t, k.Addr()) // so that the loop waits for the next one
		<-accepted
		if err := end(k); err != nil {
			t.Error(err)
		}
		k.SetLean(true) // too late
		ln, err := net.Listen("tcp", k.Addr().String())
		if err != nil {
			t.Errorf("%s: the port is taken: %v", name, err)
			continue
		}
		ln.Close()
	}
}

// A socket that was never served lean is not, either, after it was closed.
func TestLeanTooLate(t *testing.T) {
	t.Parallel()
	set := listen.New(zerolog.Nop())
	k, err := set.Open(listen.Address{Network: "tcp", Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	k.SetLean(true)
	if nc, err := net.Dial("tcp", k.Addr().String()); err == nil {
		nc.Close()
		t.Error("still open")
	}
}
