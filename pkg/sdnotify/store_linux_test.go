package sdnotify_test

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/sdnotify"
)

// manager is systemd's side of the store.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	vars map[string]string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "n")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &manager{t, c, map[string]string{"NOTIFY_SOCKET": path, "FDSTORE": "4096"}}
}

func (m *manager) notifier() *sdnotify.Notifier {
	return sdnotify.New(func(k string) string { return m.vars[k] }, 1)
}

// next is one datagram and the descriptors that came with it.
func (m *manager) next() (text string, fds []int) {
	m.t.Helper()
	b, oob := make([]byte, 4096), make([]byte, 4096)
	m.conn.SetReadDeadline(time.Now().Add(time.Minute))
	n, on, _, _, err := m.conn.ReadMsgUnix(b, oob)
	if err != nil {
		m.t.Fatal(err)
	}
	messages, err := syscall.ParseSocketControlMessage(oob[:on])
	if err != nil {
		m.t.Fatal(err)
	}
	for _, c := range messages {
		if got, err := syscall.ParseUnixRights(&c); err == nil {
			fds = append(fds, got...)
		}
	}
	for _, fd := range fds {
		m.t.Cleanup(func() { unix.Close(fd) })
	}
	return string(b[:n]), fds
}

func listener(t *testing.T) (*net.TCPListener, syscall.RawConn) {
	t.Helper()
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	rc, err := ln.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return ln, rc
}

// The descriptor that arrives is the same socket, and the sender's goes on.
func TestKeep(t *testing.T) {
	m := newManager(t)
	ln, rc := listener(t)
	if err := m.notifier().Keep("tcp-127.0.0.1-1", rc); err != nil {
		t.Fatal(err)
	}
	text, fds := m.next()
	if want := "FDSTORE=1\nFDNAME=tcp-127.0.0.1-1\nFDPOLL=0"; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
	if len(fds) != 1 {
		t.Fatalf("%d descriptors, want 1", len(fds))
	}
	sa, err := unix.Getsockname(fds[0])
	if err != nil || sa.(*unix.SockaddrInet4).Port != ln.Addr().(*net.TCPAddr).Port {
		t.Errorf("got %v, %v", sa, err)
	}
	if fl, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GETFL, 0); err != nil || fl&unix.O_NONBLOCK == 0 {
		t.Errorf("the socket became a blocking one: flags %x, %v", fl, err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	c, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
}

// Drop returns only when systemd has closed what it had: the address is to be
// bound again at once.
func TestDropWaits(t *testing.T) {
	m := newManager(t)
	dropped := make(chan error, 1)
	go func() { dropped <- m.notifier().Drop("x") }()
	if text, _ := m.next(); text != "FDSTOREREMOVE=1\nFDNAME=x" {
		t.Errorf("got %q", text)
	}
	text, fds := m.next()
	if text != "BARRIER=1" || len(fds) != 1 {
		t.Fatalf("got %q with %d descriptors", text, len(fds))
	}
	select {
	case err := <-dropped:
		t.Errorf("Drop did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	unix.Close(fds[0])
	if err := <-dropped; err != nil {
		t.Error(err)
	}
}

// Flush returns only when systemd has done what it was told before.
func TestFlushWaits(t *testing.T) {
	m := newManager(t)
	flushed := make(chan error, 1)
	go func() { flushed <- m.notifier().Flush() }()
	text, fds := m.next()
	if text != "BARRIER=1" || len(fds) != 1 {
		t.Fatalf("got %q with %d descriptors", text, len(fds))
	}
	select {
	case err := <-flushed:
		t.Errorf("Flush did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	unix.Close(fds[0])
	if err := <-flushed; err != nil {
		t.Error(err)
	}
}

func TestStoreRefuses(t *testing.T) {
	m := newManager(t)
	_, rc := listener(t)
	for _, name := range []string{"", "a:b", "a\nREADY=1", "ü", strings.Repeat("x", 256)} {
		if err := m.notifier().Keep(name, rc); err == nil {
			t.Errorf("Keep(%q): no error", name)
		}
		if err := m.notifier().Drop(name); err == nil {
			t.Errorf("Drop(%q): no error", name)
		}
	}
	ln, rc := listener(t)
	ln.Close()
	if err := m.notifier().Keep("x", rc); err == nil {
		t.Error("a closed socket was kept")
	}
}

func TestWithoutStore(t *testing.T) {
	_, rc := listener(t)
	for _, size := range []string{"", "0", "-1", "many"} {
		m := newManager(t)
		m.vars["FDSTORE"] = size
		n := m.notifier()
		if n.Store() != 0 {
			t.Errorf("FDSTORE=%s: a store of %d", size, n.Store())
		}
		if err := n.Keep("x", rc); err != nil {
			t.Error(err)
		}
		if err := errors.Join(n.Drop("x"), n.Flush()); err != nil {
			t.Error(err)
		}
		if err := n.Status("only this"); err != nil {
			t.Error(err)
		}
		if text, _ := m.next(); text != "STATUS=only this" {
			t.Errorf("FDSTORE=%s: systemd was told %q", size, text)
		}
	}
}

func TestExtend(t *testing.T) {
	m := newManager(t)
	if err := m.notifier().Extend(1500 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if text, _ := m.next(); text != "EXTEND_TIMEOUT_USEC=1500000" {
		t.Errorf("got %q", text)
	}
}
