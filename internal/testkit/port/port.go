// Package port gives tests a port at which nobody listens, until they do. It has
// nothing for Windows.
package port

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
)

// Held is a TCP port of 127.0.0.1 that is bound: who connects is refused, and nobody
// else gets the port meanwhile, as somebody might one that was given back.
type Held struct {
	Addr string // with the port
	Port int

	t    testing.TB
	file *os.File
}

// Hold takes a port until the test ends.
func Hold(t testing.TB) *Held {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatalf("make a socket: %v", err)
	}
	h := &Held{t: t, file: os.NewFile(uintptr(fd), "held port")}
	t.Cleanup(func() { _ = h.file.Close() })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatalf("bind a port: %v", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatalf("ask for the port: %v", err)
	}
	h.Port = name.(*syscall.SockaddrInet4).Port
	h.Addr = fmt.Sprintf("127.0.0.1:%d", h.Port)
	return h
}

// Listen starts to listen at the port. The listener is the caller's; once it and the
// test have ended the port is free.
func (h *Held) Listen() net.Listener {
	h.t.Helper()
	if err := syscall.Listen(int(h.file.Fd()), 128); err != nil {
		h.t.Fatalf("listen at %s: %v", h.Addr, err)
	}
	ln, err := net.FileListener(h.file)
	if err != nil {
		h.t.Fatalf("listen at %s: %v", h.Addr, err)
	}
	return ln
}

// Below is a port of 127.0.0.1 that nobody has, below those that the system picks: no
// connection gets it by chance while a test does without it for a moment.
func Below(t testing.TB) int {
	t.Helper()
	for range 1000 {
		n := 20_000 + rand.IntN(12_000)
		if ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n)); err == nil {
			_ = ln.Close()
			return n
		}
	}
	t.Fatal("there is no free port")
	return 0
}
