package mux_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/mux"
)

// connect makes a connection, has four bytes echoed and closes it.
func connect(t testing.TB, addr string) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var b [4]byte
	if _, err := nc.Write([]byte("SSH-")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(nc, b[:]); err != nil {
		t.Fatal(err)
	}
}

// echoFour is a service of little cost.
func echoFour(_ context.Context, c net.Conn) {
	var b [4]byte
	if _, err := io.ReadFull(c, b[:]); err == nil {
		c.Write(b[:])
	}
	c.Read(b[:]) // let the client close first
	c.Close()
}

func fourPolicy(look mux.Look) mux.Policy {
	return mux.Policy{Look: look, Choose: func(*mux.Conn, mux.Verdict) mux.Choice { return mux.Choice{Raw: echoFour} }}
}

// serveBare accepts without a port, for comparison.
func serveBare(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go echoFour(t.Context(), nc)
		}
	}()
	return ln.Addr().String()
}

// TestAllocations counts what a port allocates for a connection beyond what the
// connection itself takes, over 500 connections. With the race detector pools forget a
// quarter of what they are given.
func TestAllocations(t *testing.T) {
	count := func(addr string) float64 {
		connect(t, addr)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 500 {
			connect(t, addr)
		}
		runtime.ReadMemStats(&after)
		return float64(after.Mallocs-before.Mallocs) / 500
	}
	bare := count(serveBare(t))
	for _, tt := range []struct {
		name string
		look mux.Look
		max  float64
	}{{"direct", mux.LookRaw, 11}, {"split", mux.LookSplit, 26}} {
		if n := count(serve(t, fourPolicy(tt.look)).addr()) - bare; n > tt.max {
			t.Errorf("%s: %.1f allocations a connection, at most %v wanted", tt.name, n, tt.max)
		} else {
			t.Logf("%s: %.1f allocations a connection", tt.name, n)
		}
	}
}

func BenchmarkConnection(b *testing.B) {
	for name, start := range map[string]func() string{
		"bare":   func() string { return serveBare(b) },
		"direct": func() string { return serve(b, fourPolicy(mux.LookRaw)).addr() },
		"split":  func() string { return serve(b, fourPolicy(mux.LookSplit)).addr() },
	} {
		b.Run(name, func(b *testing.B) {
			addr := start()
			b.ReportAllocs()
			for b.Loop() {
				connect(b, addr)
			}
		})
	}
}

// BenchmarkRequest is a request on a kept-alive connection.
func BenchmarkRequest(b *testing.B) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	for name, start := range map[string]func() string{
		"bare": func() string {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			srv := &http.Server{Handler: ok}
			go srv.Serve(ln)
			b.Cleanup(func() { srv.Close() })
			return ln.Addr().String()
		},
		"direct": func() string { return serve(b, mux.Policy{Look: mux.LookHTTP, HTTP: ok}).addr() },
		"split":  func() string { return serve(b, mux.Policy{Look: mux.LookSplit, HTTP: ok}).addr() },
	} {
		b.Run(name, func(b *testing.B) {
			nc, err := net.Dial("tcp", start())
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			br := bufio.NewReader(nc)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					b.Fatal(err)
				}
				res, err := http.ReadResponse(br, nil)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
			}
		})
	}
}

func BenchmarkClassify(b *testing.B) {
	for _, s := range samples(b)[:12] {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			in := []byte(s.bytes)
			for b.Loop() {
				mux.Classify(in, false)
			}
		})
	}
}

// deep needs a large stack.
func deep(n int) int {
	var room [100]int
	if n > 0 {
		room[n%100] = deep(n - 1)
	}
	return room[n%100] + n
}

// TestIdleHTTP counts what a connection costs that waits for its next request: one
// goroutine, with a small stack, and no buffer.
func TestIdleHTTP(t *testing.T) {
	const conns = 300
	r := serve(t, mux.Policy{Look: mux.LookHTTP, HTTP: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, fmt.Sprint(deep(100)))
	})})
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before, goroutines := used(), runtime.NumGoroutine()
	answer := make([]byte, 4<<10)
	for range conns {
		nc := r.dial()
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := nc.Read(answer); err != nil {
			t.Fatal(err)
		}
	}
	var each uint64
	wait.Until(t, "an idle connection takes 7 KiB or more, or more than a goroutine", func() bool {
		each = (max(used(), before) - before) / conns
		return each < 7<<10 && runtime.NumGoroutine()-goroutines <= conns+5
	})
	t.Logf("%d bytes each, with the client's end", each)
}
