package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/services/proxy"
)

// narrow listens with a small buffer and hands each connection to f.
func narrow(t *testing.T, f func(*bufio.Reader, net.Conn)) string {
	t.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 2048) })
	}}
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				f(bufio.NewReader(c), c)
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); all.Wait() })
	return "http://" + ln.Addr().String()
}

// A request that the upstream takes slowly arrives whole, and in order, also over a
// connection that was used before.
func TestUpstreamThatReadsSlowly(t *testing.T) {
	up := narrow(t, func(br *bufio.Reader, c net.Conn) {
		for {
			time.Sleep(150 * time.Millisecond) // longer than the proxy waits at first
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			b, _ := io.ReadAll(r.Body)
			answer := fmt.Sprint(len(r.Header.Get("X-Long")), " ", len(b), " ", strings.Trim(r.Header.Get("X-Long"), "h"), strings.Trim(string(b), "b"))
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
		}
	})
	_, _, srv := open(t, one(up))
	for range 2 {
		req := request(t, "POST", srv.URL, strings.NewReader(strings.Repeat("b", 16<<10)), "X-Long: "+strings.Repeat("h", 500<<10))
		res, body := do(t, srv, req)
		expect(t, fmt.Sprint(res.StatusCode, " ", body), "200 512000 16384 ")
	}
}

// One that never reads it is a timeout of the header.
func TestUpstreamThatDoesNotRead(t *testing.T) {
	over := make(chan struct{})
	up := narrow(t, func(*bufio.Reader, net.Conn) { await(over) })
	defer close(over)
	_, _, srv := open(t, one(up, func(c *proxy.Config) { c.Timeouts.Header, c.Retry.Attempts = 200*time.Millisecond, 1 }))
	begun := time.Now()
	res, _ := do(t, srv, request(t, "GET", srv.URL, nil, "X-Long: "+strings.Repeat("h", 900<<10)))
	if took := time.Since(begun); res.StatusCode != 504 || took > 20*time.Second {
		t.Errorf("%s after %v", res.Status, took)
	}
}
