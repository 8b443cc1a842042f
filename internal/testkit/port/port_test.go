package port_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/porticod/portico/internal/testkit/port"
)

func TestHeldPort(t *testing.T) {
	h := port.Hold(t)
	if c, err := net.Dial("tcp", h.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("%v, %v", c, err)
	}
	if ln, err := net.Listen("tcp", h.Addr); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("somebody else has it: %v, %v", ln, err)
	}
	ln := h.Listen()
	defer ln.Close()
	go func() {
		if c, err := ln.Accept(); err == nil {
			_, _ = io.WriteString(c, "here")
			_ = c.Close()
		}
	}()
	c, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b, err := io.ReadAll(c); string(b) != "here" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

func TestBelow(t *testing.T) {
	n := port.Below(t)
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n))
	if err != nil || n >= 32_768 {
		t.Fatalf("%d, %v", n, err)
	}
	_ = ln.Close()
}
