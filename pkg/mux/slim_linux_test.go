package mux_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/mux"
)

// watched is how many descriptors the epolls of the process watch.
func watched(t *testing.T) (n int) {
	t.Helper()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range infos {
		b, _ := os.ReadFile(file) // one may be gone
		n += strings.Count(string(b), "tfd:")
	}
	return n
}

// A connection that was made slim goes on, is counted and listed, and ends as any
// other; Go's poller does not know it. (Not beside others: descriptors are counted.)
func TestSlim(t *testing.T) {
	conns, errs := make(chan net.Conn, 1), make(chan error, 1)
	r := serve(t, mux.Policy{Look: mux.LookHTTP, HTTP: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			errs <- err
			return
		}
		before := watched(t)
		if err = nc.(*mux.Conn).Slim(); err == nil && watched(t) != before-1 {
			err = errors.New("the poller knows it still")
		}
		errs <- err
		conns <- nc
	})})
	nc := r.dial()
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nmore")
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	c := (<-conns).(*mux.Conn)
	if err := c.Slim(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a second time: %v", err)
	}
	if c.LocalAddr().String() != nc.RemoteAddr().String() || c.RemoteAddr().String() != nc.LocalAddr().String() {
		t.Errorf("%v from %v", c.LocalAddr(), c.RemoteAddr())
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Error(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(nc, b); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	io.WriteString(nc, "there")
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "there" {
		t.Errorf("%q, %v", b, err)
	}
	wait.Until(t, "what it moved is told", func() bool {
		infos := r.Conns()
		return len(infos) == 1 && infos[0].Out == 5 && infos[0].In > 5 && infos[0].Peer == nc.LocalAddr().String() && infos[0].Via == ""
	})
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	if _, err := nc.Read(b); err != io.EOF {
		t.Errorf("after its end: %v", err)
	}
	r.Abort()
	if _, err := c.Read(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after it was cut: %v", err)
	}
	if err := c.Slim(); err == nil {
		t.Error("one that is closed was made slim")
	}
	if n := r.Open(); n != 0 {
		t.Errorf("%d are open", n)
	}
}
