// Package frontdoor_test attacks a running daemon as strangers do: with requests
// that mean two things, with very slow ones, with very many.
package frontdoor_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/wait"
)

const patience = time.Minute

// dial opens a connection with a deadline that ends a test which would hang.
func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// from is dial as a client elsewhere: the listener must believe PROXY headers of
// loopback.
func from(t testing.TB, addr, client string) net.Conn {
	t.Helper()
	c := dial(t, addr)
	family, server := "TCP4", "192.0.2.1"
	if strings.Contains(client, ":") {
		family, server = "TCP6", "2001:db8::1"
	}
	send(t, c, fmt.Sprintf("PROXY %s %s %s 4321 80\r\n", family, client, server))
	return c
}

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// refused reports whether the other side closes c without a byte.
func refused(c net.Conn) bool {
	n, err := c.Read(make([]byte, 1))
	return n == 0 && err != nil && !timeout(err)
}

func timeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

func clientTLS(c net.Conn) *tls.Conn {
	return tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "www.example.org"})
}

// get asks on c, which stays open, and returns the answer.
func get(t testing.TB, c net.Conn, br *bufio.Reader, path string) (*http.Response, string) {
	t.Helper()
	send(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// metric waits until the daemon's metric, name with labels, is at least want.
func metric(t testing.TB, d *testkit.Daemon, name string, want float64) {
	t.Helper()
	wait.Right(t, func() string {
		if got := d.Metric(name); !(got >= want) {
			return fmt.Sprintf("%s is %v, want %v", name, got, want)
		}
		return ""
	})
}
