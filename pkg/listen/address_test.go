package listen_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/listen"
)

func open(t *testing.T, set *listen.Set, a listen.Address) *listen.Socket {
	t.Helper()
	k, err := set.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	go k.Serve(func(nc net.Conn) { fmt.Fprint(nc, a.String()); nc.Close() })
	return k
}

func TestFamilies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ host, reach, not string }{
		{"127.0.0.1", "127.0.0.1", "::1"},
		{"0.0.0.0", "127.0.0.1", "::1"},
		{"::1", "::1", "127.0.0.1"},
		{"::", "::1", "127.0.0.1"},
		{"", "127.0.0.1", ""},
		{"", "::1", ""},
	} {
		t.Run(tt.host+" "+tt.reach, func(t *testing.T) {
			t.Parallel()
			set := listen.New(zerolog.Nop())
			t.Cleanup(func() { set.Close() })
			k := open(t, set, listen.Address{Network: "tcp", Host: tt.host})
			reach := &net.TCPAddr{IP: net.ParseIP(tt.reach), Port: k.Port()}
			if got, want := greeting(t, reach), k.Address().String(); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
			if tt.not == "" {
				return
			}
			if nc, err := net.Dial("tcp", net.JoinHostPort(tt.not, itoa(k.Port()))); err == nil {
				nc.Close()
				t.Fatalf("reached at %s", tt.not)
			}
		})
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	port := other.Addr().(*net.TCPAddr).Port
	set := listen.New(zerolog.Nop())
	defer set.Close()
	comm, _ := os.ReadFile("/proc/self/comm")
	me := fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(comm)), os.Getpid())
	for _, host := range []string{"127.0.0.1", "", "0.0.0.0"} {
		a := listen.Address{Network: "tcp", Host: host, Port: port}
		_, err := set.Open(a)
		want := fmt.Sprintf("listen on %s: the address is in use by %s; stop it or choose another address", a, me)
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		var in *listen.InUseError
		if !errors.As(err, &in) || !errors.Is(err, syscall.EADDRINUSE) || in.Address != a {
			t.Errorf("%#v is not an InUseError for %s", err, a)
		}
	}
	// Somebody who listens for IPv6 and IPv4 at once is in another table.
	dual, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer dual.Close()
	a := listen.Address{Network: "tcp", Host: "127.0.0.1", Port: dual.Addr().(*net.TCPAddr).Port}
	if _, err := set.Open(a); err == nil || !strings.Contains(err.Error(), "in use by "+me) {
		t.Errorf("beside a socket of both families: %v", err)
	}
	if n := len(set.All()); n != 0 {
		t.Errorf("%d sockets are left of failed opens", n)
	}
	if _, err := set.Open(listen.Address{Network: "tcp", Host: "192.0.2.1", Port: port}); err == nil ||
		!strings.Contains(err.Error(), "this machine has no such address") {
		t.Errorf("an address of nobody's: %v", err)
	}
}

// TestInUseBeside has a socket of the set and a stranger's on one port, on
// different addresses: the wildcard cannot be bound, and the failure leaves the
// set's own socket as it was.
func TestInUseBeside(t *testing.T) {
	t.Parallel()
	set := listen.New(zerolog.Nop())
	defer set.Close()
	own := open(t, set, listen.Address{Network: "tcp", Host: "127.0.0.1"})
	stranger, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(own.Port())))
	if err != nil {
		t.Fatal(err) // nobody else is there
	}
	defer stranger.Close()
	_, err = set.Open(listen.Address{Network: "tcp", Port: own.Port()})
	var in *listen.InUseError
	if !errors.As(err, &in) {
		t.Fatalf("the wildcard beside a stranger: %v", err)
	}
	greeting(t, own.Addr())
	if len(set.All()) != 1 {
		t.Error("the failed socket is in the set")
	}
}

func TestPortZeroStays(t *testing.T) {
	t.Parallel()
	set := listen.New(zerolog.Nop())
	defer set.Close()
	a := listen.Address{Network: "tcp", Host: "127.0.0.1"}
	k := open(t, set, a)
	again, err := set.Open(a)
	if err != nil || again.Port() != k.Port() || k.Port() == 0 {
		t.Fatalf("port %d, then %v, %v", k.Port(), again, err)
	}
}

// TestReopenWhileClosing opens an address that is just being drained.
func TestReopenWhileClosing(t *testing.T) {
	t.Parallel()
	set := listen.New(zerolog.Nop())
	defer set.Close()
	k := open(t, set, listen.Address{Network: "tcp", Host: "127.0.0.1"})
	b := listen.Address{Network: "tcp", Port: k.Port()}
	done := make(chan struct{})
	go func() { k.Close(); close(done) }()
	for len(set.All()) > 0 { // Close has begun
	}
	greeting(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: open(t, set, b).Port()})
	<-done
}

func TestUnix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	a := listen.Address{Network: "unix", Host: path}
	set := listen.New(zerolog.Nop())
	defer set.Close()
	set.UnixMode = 0o600
	k := open(t, set, a)
	if got := greeting(t, k.Addr()); got != "unix:"+path {
		t.Fatalf("got %q", got)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("mode %v, %v", fi.Mode(), err)
	}
	_, err = listen.New(zerolog.Nop()).Open(a)
	var in *listen.InUseError
	if !errors.As(err, &in) || in.Holder == nil || in.Holder.PID != os.Getpid() {
		t.Fatalf("a socket that answers: %v", err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the file is still there: %v", err)
	}
}

func TestUnixStale(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	set := listen.New(zerolog.Nop())
	k := open(t, set, listen.Address{Network: "unix", Host: path})
	greeting(t, k.Addr())

	// Another process takes the path; closing ours must leave it alone.
	os.Remove(path)
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	set.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("closing removed a file that is another's: %v", err)
	}

	file := filepath.Join(dir, "file")
	os.WriteFile(file, nil, 0o600)
	_, err = set.Open(listen.Address{Network: "unix", Host: file})
	if err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Fatalf("a plain file: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal("a plain file was removed")
	}
}

func TestInherit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	var files []*os.File
	var addrs []listen.Address
	for _, a := range []listen.Address{
		{Network: "tcp", Host: "127.0.0.1"}, {Network: "tcp", Host: "::1"}, {Network: "tcp"},
		{Network: "tcp", Host: "::"}, {Network: "tcp", Host: "0.0.0.0"}, {Network: "unix", Host: path},
	} {
		first := listen.New(zerolog.Nop())
		k, err := first.Open(a)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, duplicate(t, k))
		if a.Network == "tcp" {
			a.Port = k.Port()
		}
		addrs = append(addrs, a)
		if err := k.Release(); err != nil { // the process is replaced
			t.Fatal(err)
		}
	}
	set := listen.New(zerolog.Nop())
	defer set.Close()
	if err := set.Inherit(files...); err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs[1:] {
		k := open(t, set, a)
		at := k.Addr()
		if t, ok := at.(*net.TCPAddr); ok && t.IP.IsUnspecified() {
			at = &net.TCPAddr{IP: net.IPv6loopback, Port: t.Port}
			if a.Host == "0.0.0.0" {
				at = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: t.Port}
			}
		}
		if got := greeting(t, at); got != a.String() {
			t.Errorf("%s: got %q", a, got)
		}
	}
	if left := set.CloseInherited(); len(left) != 1 || left[0] != addrs[0].String() {
		t.Errorf("left over: %v", left)
	}
	if nc, err := net.Dial("tcp", addrs[0].String()); err == nil {
		nc.Close()
		t.Error("an inherited socket that nobody wants is still open")
	}
}

// duplicate is the descriptor of k as a service manager would keep it.
func duplicate(t *testing.T, k *listen.Socket) *os.File {
	t.Helper()
	rc, err := k.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var f *os.File
	err = rc.Control(func(fd uintptr) {
		n, err := syscall.Dup(int(fd))
		if err != nil {
			t.Error(err)
		}
		f = os.NewFile(uintptr(n), k.Address().String())
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}
