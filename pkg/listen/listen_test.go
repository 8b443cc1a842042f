package listen_test

import (
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/listen"
)

func TestOpenServeClose(t *testing.T) {
	t.Parallel()
	set := listen.New(zerolog.Nop())
	a := listen.Address{Network: "tcp", Host: "127.0.0.1"}
	k, err := set.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	go k.Serve(func(nc net.Conn) { io.WriteString(nc, "one"); nc.Close() })
	if got := greeting(t, k.Addr()); got != "one" {
		t.Fatalf("got %q", got)
	}
	again, err := set.Open(a)
	if err != nil || again != k {
		t.Fatalf("the same address is another socket: %v, %v", again, err)
	}
	again.SetHandler(func(nc net.Conn) { io.WriteString(nc, "two"); nc.Close() })
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if got := greeting(t, k.Addr()); got != "two" {
		t.Fatalf("after one of two Closes: got %q", got)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", k.Addr().String()); err == nil {
		t.Fatal("still open after the last Close")
	}
}

func greeting(t *testing.T, a net.Addr) string {
	t.Helper()
	nc, err := net.Dial(a.Network(), a.String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	b, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func itoa(n int) string { return strconv.Itoa(n) }
