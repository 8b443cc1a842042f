package listen_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/listen"
)

// store is a keeper as systemd is one.
type store struct {
	mu     sync.Mutex
	files  map[string]*os.File
	broken bool
}

func newStore(t *testing.T) *store {
	s := &store{files: map[string]*os.File{}}
	t.Cleanup(func() { s.take() })
	return s
}

func (s *store) Keep(name string, rc syscall.RawConn) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return errors.New("no room")
	}
	cerr := rc.Control(func(fd uintptr) {
		var dup int
		if dup, err = syscall.Dup(int(fd)); err == nil {
			s.files[name] = os.NewFile(uintptr(dup), name)
		}
	})
	return errors.Join(cerr, err)
}

func (s *store) Drop(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[name]; f != nil {
		delete(s.files, name)
		return f.Close()
	}
	return nil
}

// passed is what the next process gets: copies of what stays in the store.
func (s *store) passed(t *testing.T) (files []*os.File) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, f := range s.files {
		dup, err := syscall.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, os.NewFile(uintptr(dup), name))
	}
	return files
}

func (s *store) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, f := range s.files {
		f.Close()
		delete(s.files, name)
	}
}

func (s *store) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files)
}

// next is the set of the process after.
func (s *store) next(t *testing.T) *listen.Set {
	t.Helper()
	set := listen.New(zerolog.Nop())
	set.Keeper = s
	if err := set.Inherit(s.passed(t)...); err != nil {
		t.Fatal(err)
	}
	return set
}

// TestKeptOverProcesses connects while no process is there: the next one
// answers. What is closed for good is closed in the store too.
func TestKeptOverProcesses(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	addresses := []listen.Address{
		{Network: "tcp", Host: "127.0.0.1", Name: "a:0"}, {Network: "tcp", Host: "127.0.0.1", Name: "b:0"},
		{Network: "tcp", Host: "::1", Name: "c"}, {Network: "unix", Host: filepath.Join(t.TempDir(), "ä b:c")},
	}
	set := s.next(t)
	at := make([]net.Addr, len(addresses))
	for round := range 3 {
		waiting := make([]net.Conn, len(addresses))
		for i, a := range addresses {
			if round > 0 {
				nc, err := net.Dial(at[i].Network(), at[i].String())
				if err != nil {
					t.Fatalf("%s: refused without a process: %v", a, err)
				}
				waiting[i] = nc
			}
		}
		var sockets []*listen.Socket
		for i, a := range addresses {
			k, err := set.Open(a)
			if err != nil {
				t.Fatal(err)
			}
			if !k.Held() {
				t.Errorf("%s is not held", a)
			}
			go k.Serve(func(nc net.Conn) { io.WriteString(nc, a.Name); nc.Close() })
			if at[i] != nil && at[i].String() != k.Addr().String() {
				t.Errorf("%s moved from %s to %s", a, at[i], k.Addr())
			}
			at[i] = k.Addr()
			if nc := waiting[i]; nc != nil {
				if b, err := io.ReadAll(nc); err != nil || string(b) != a.Name {
					t.Errorf("%s: who waited got %q, %v", a, b, err)
				}
				nc.Close()
			}
			sockets = append(sockets, k)
		}
		if left := set.CloseInherited(); len(left) > 0 {
			t.Errorf("not adopted: %v", left)
		}
		if s.size() != len(addresses) {
			t.Errorf("%d sockets in the store, want %d", s.size(), len(addresses))
		}
		for _, k := range sockets {
			if round == 2 {
				k.Close()
			} else {
				k.Release()
			}
		}
		set = s.next(t)
	}
	if s.size() != 0 {
		t.Errorf("%d sockets left in the store", s.size())
	}
	if nc, err := net.Dial(at[0].Network(), at[0].String()); err == nil {
		nc.Close()
		t.Error("a closed socket still takes connections")
	}
}

// TestKeptThenMoved restarts with an address that overlaps with the stored one:
// it can be bound, and who waits in the old socket is served by the new one.
func TestKeptThenMoved(t *testing.T) {
	t.Parallel()
	for _, hosts := range [][2]string{{"127.0.0.1", ""}, {"127.0.0.1", "0.0.0.0"}, {"::1", "::"}} {
		s := newStore(t)
		set := s.next(t)
		k, err := set.Open(listen.Address{Network: "tcp", Host: hosts[0]})
		if err != nil {
			t.Fatal(err)
		}
		at := k.Addr()
		k.Release()
		nc, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		set = s.next(t)
		moved, err := set.Open(listen.Address{Network: "tcp", Host: hosts[1], Port: at.(*net.TCPAddr).Port})
		if err != nil {
			t.Fatal(err)
		}
		moved.SetHandler(func(nc net.Conn) { io.WriteString(nc, "moved"); nc.Close() })
		go moved.Serve(nil)
		if left := set.CloseInherited(); len(left) != 1 {
			t.Errorf("%v: left over: %v", hosts, left)
		}
		if b, err := io.ReadAll(nc); err != nil || string(b) != "moved" {
			t.Errorf("%v: who waited got %q, %v", hosts, b, err)
		}
		if got := greeting(t, at); got != "moved" {
			t.Errorf("%v: got %q", hosts, got)
		}
		if s.size() != 1 {
			t.Errorf("%v: %d sockets in the store", hosts, s.size())
		}
		set.Close()
	}
}

// TestNarrowedIsNotWidened restarts with loopback only: who had connected to
// the wildcard from elsewhere must not reach it.
func TestNarrowedIsNotWidened(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	k, err := s.next(t).Open(listen.Address{Network: "tcp", Host: "0.0.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	port := k.Port()
	k.Release()
	nc, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	set := s.next(t)
	defer set.Close()
	narrow, err := set.Open(listen.Address{Network: "tcp", Host: "127.0.0.1", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	narrow.SetHandler(func(nc net.Conn) { io.WriteString(nc, "inside"); nc.Close() })
	go narrow.Serve(nil)
	set.CloseInherited()
	if b, _ := io.ReadAll(nc); len(b) > 0 {
		t.Errorf("who waited in the wildcard socket got %q", b)
	}
}

// A socket of a .socket unit is found by its address; it stays open there.
func TestForeign(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	set := listen.New(zerolog.Nop())
	set.Keeper = s
	if err := set.Inherit(f); err != nil {
		t.Fatal(err)
	}
	k, err := set.Open(listen.Address{Network: "tcp", Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port})
	if err != nil {
		t.Fatal(err)
	}
	go k.Serve(func(nc net.Conn) { io.WriteString(nc, "hi"); nc.Close() })
	if got := greeting(t, ln.Addr()); got != "hi" || !k.Held() || s.size() != 0 {
		t.Errorf("got %q, held: %v, in the store: %d", got, k.Held(), s.size())
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if nc, err := net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Errorf("the unit's own socket was closed: %v", err)
	} else {
		nc.Close()
	}
}

// Without room in the store the daemon runs all the same.
func TestKeeperFails(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := newStore(t)
	s.broken = true
	set := listen.New(zerolog.New(&log))
	set.Keeper = s
	k, err := set.Open(listen.Address{Network: "tcp", Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if k.Held() || !strings.Contains(log.String(), "will not outlive") {
		t.Errorf("held: %v, log: %s", k.Held(), log.String())
	}
}
