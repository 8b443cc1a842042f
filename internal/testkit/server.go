package testkit

import (
	"net"
	"testing"
	"time"
)

// Serve hands connections to handle, each in a goroutine of its own, until the
// test ends, and says where: host:port. They have a deadline, and are closed when
// handle returns.
func Serve(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ServeOn(t, ln, handle)
}

// ServeOn is Serve with a listener, which it closes.
func ServeOn(t testing.TB, ln net.Listener, handle func(net.Conn)) string {
	t.Helper()
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(2 * Patience))
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return ln.Addr().String()
}
