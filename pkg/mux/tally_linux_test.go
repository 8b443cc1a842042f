package mux_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/mux"
)

const (
	bytesIn  = "portico_listener_received_bytes_total"
	bytesOut = "portico_listener_sent_bytes_total"
)

// upgraded echoes after a handshake as that of a WebSocket.
func upgraded(w http.ResponseWriter, r *http.Request) {
	nc, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer nc.Close()
	io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	io.Copy(nc, buf)
}

// between fails unless the metric is at least what was moved, and not twice that.
func (r *rig) between(what, name string, moved float64) {
	r.t.Helper()
	if n := r.metric(name, "test"); n < moved || n > moved+1000 { // headers, and the FIN
		r.t.Errorf("%s: %s is %v, moved were %v", what, name, n, moved)
	}
}

// Bytes are counted once, however they are moved: while the connection is open,
// and not again when it is closed.
func TestBytesAreCounted(t *testing.T) {
	t.Parallel()
	raw := func(f func(c *mux.Conn)) mux.Policy {
		return mux.Policy{Look: mux.LookRaw, Choose: func(*mux.Conn, mux.Verdict) mux.Choice {
			return mux.Choice{Raw: func(_ context.Context, nc net.Conn) { f(nc.(*mux.Conn)) }}
		}}
	}
	for name, pol := range map[string]mux.Policy{
		"read and written": raw(func(c *mux.Conn) { io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) }),
		"spliced":          raw(func(c *mux.Conn) { io.Copy(c, c) }),
		"relayed": raw(func(c *mux.Conn) {
			a, b := pair(t)
			go func() { io.Copy(a, c.NetConn()); a.(*net.TCPConn).CloseWrite() }()
			go func() { io.Copy(b, b); b.(*net.TCPConn).CloseWrite() }()
			io.Copy(c.NetConn(), a)
		}),
		"taken over": {Look: mux.LookHTTP, HTTP: http.HandlerFunc(upgraded)},
		"split":      {Look: mux.LookSplit},
	} {
		t.Run(name, func(t *testing.T) {
			networks(t, func(t *testing.T, start func(testing.TB, mux.Policy) *rig) {
				if r := start(t, pol); name != "relayed" || r.ln.Addr().Network() == "tcp" { // past Conn only the kernel counts
					r.countEcho(t, name == "taken over")
				}
			})
		})
	}
}

// countEcho has someBytes echoed, and looks at the counters all the time.
func (r *rig) countEcho(t *testing.T, upgrade bool) {
	stop, watched := make(chan struct{}), sync.WaitGroup{}
	watched.Go(func() {
		for last := 0.; ; {
			n := r.metric(bytesIn, "test")
			if n < last {
				t.Errorf("%v bytes became %v", last, n)
			}
			last = n
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	defer watched.Wait()
	defer close(stop)

	nc := r.dial()
	if upgrade {
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	}
	go io.CopyN(nc, zeros{}, someBytes)
	if _, err := io.ReadFull(nc, make([]byte, someBytes)); err != nil {
		t.Fatal(err)
	}
	if r.ln.Addr().Network() == "tcp" { // of a unix socket what is copied counts when the copy ends
		wait.Until(t, "what an open connection moved is counted", func() bool {
			return r.metric(bytesIn, "test") >= someBytes && r.metric(bytesOut, "test") >= someBytes
		})
	}
	nc.Close()
	wait.Until(t, "the connection is gone", func() bool { return r.Open() == 0 })
	r.between("closed", bytesIn, someBytes)
	r.between("closed", bytesOut, someBytes)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// What is written and not sent yet when a connection is closed counts, too.
func TestBytesOfAnAnswer(t *testing.T) {
	t.Parallel()
	const size = 200_000
	r := serve(t, mux.Policy{Look: mux.LookHTTP, HTTP: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		io.CopyN(w, zeros{}, size)
	})})
	nc := r.dial()
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	wait.Until(t, "the connection is closed before anything was read", func() bool { return r.metric("portico_listener_connections_total", "") == 1 && r.Open() == 0 })
	n := r.metric(bytesOut, "test")
	if b, err := io.ReadAll(nc); err != nil || float64(len(b)) > n || n > float64(len(b))+1 {
		t.Errorf("%d bytes came, %v are counted, %v", len(b), n, err)
	}
}

// What another process has counted is not counted again.
func TestBytesOfAnAdopted(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{})
	a, b := pair(t)
	io.WriteString(a, "before")
	io.ReadFull(b, make([]byte, 6))
	c, err := r.Adopt(b, mux.Adopted{})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(a, "now")
	io.ReadFull(c, make([]byte, 3))
	c.Close()
	if n := r.metric(bytesIn, "test"); n != 3 {
		t.Errorf("%v bytes", n)
	}
}

// Packets are counted as connections are.
func TestBytesOfPackets(t *testing.T) {
	t.Parallel()
	r := serve(t, mux.Policy{Packets: echo})
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	d := mux.NewPackets(pc)
	d.SetPort(r.Port)
	nc, err := net.Dial("udp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	wait.Until(t, "a packet comes back", func() bool {
		io.WriteString(nc, "12345")
		nc.SetReadDeadline(time.Now().Add(time.Second))
		n, _ := nc.Read(make([]byte, 10))
		return n == 5
	})
	wait.Until(t, "it is counted", func() bool { return r.metric(bytesIn, "test") >= 5 && r.metric(bytesOut, "test") >= 5 })
	d.Close(t.Context())
	if n := r.metric(bytesOut, "test"); n < 5 {
		t.Errorf("%v bytes out when the peer is gone", n)
	}
}
