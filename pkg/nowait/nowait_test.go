package nowait_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/internal/testkit/allocs"
	"github.com/porticod/portico/pkg/nowait"
)

// pair is a connection, its descriptor, and the other end.
func pair(t *testing.T) (fd func(func(int)), peer net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if peer, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return func(f func(int)) {
		if err := raw.Control(func(fd uintptr) { f(int(fd)) }); err != nil {
			t.Fatal(err)
		}
	}, peer
}

// What is written arrives, in order; empty pieces are none.
func TestWrite(t *testing.T) {
	with, peer := pair(t)
	with(func(fd int) {
		if n, err := nowait.Write(fd, []byte("one "), true); n != 4 || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
		for left := [][]byte{nil, []byte("two "), {}, []byte("three")}; ; {
			n, err := nowait.Writev(fd, left, false)
			if err != nil {
				t.Fatalf("Writev: %v", err)
			}
			for len(left) > 0 && n >= len(left[0]) {
				n, left = n-len(left[0]), left[1:]
			}
			if len(left) == 0 {
				break
			}
			left[0] = left[0][n:]
		}
	})
	b := make([]byte, 13)
	if _, err := io.ReadFull(peer, b); err != nil || string(b) != "one two three" {
		t.Errorf("%q, %v", b, err)
	}
}

// A socket that has nothing, has something, and has come to its end.
func TestRead(t *testing.T) {
	with, peer := pair(t)
	b := make([]byte, 10)
	with(func(fd int) {
		if n, err := nowait.Read(fd, b); n != 0 || !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("nothing is there: %d, %v", n, err)
		}
	})
	ready := func(fd int) {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 60_000); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := peer.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	with(func(fd int) {
		ready(fd)
		if n, err := nowait.Read(fd, b); err != nil || !bytes.Equal(b[:n], []byte("hello")) {
			t.Errorf("%q, %v", b[:n], err)
		}
	})
	_ = peer.Close()
	with(func(fd int) {
		ready(fd)
		if n, err := nowait.Read(fd, b); n != 0 || err != nil {
			t.Errorf("the end: %d, %v", n, err)
		}
	})
}

// A peer that takes nothing is not waited for.
func TestFull(t *testing.T) {
	with, _ := pair(t)
	with(func(fd int) {
		b := make([]byte, 64<<10)
		for range 10_000 {
			if _, err := nowait.Writev(fd, [][]byte{b, b}, false); errors.Is(err, syscall.EAGAIN) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
		t.Error("more than a GB fits into a socket")
	})
}

func TestNothingIsAllocated(t *testing.T) {
	with, peer := pair(t)
	go func() { _, _ = io.Copy(io.Discard, peer) }()
	with(func(fd int) {
		head, body, into := []byte("head"), []byte("body"), make([]byte, 10)
		vector := [][]byte{head, body}
		if n := allocs.Per(100, 0, func() {
			_, _ = nowait.Write(fd, head, true)
			_, _ = nowait.Writev(fd, vector, false)
			_, _ = nowait.Read(fd, into)
		}); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
