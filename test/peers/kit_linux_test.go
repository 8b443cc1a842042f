// Package peers_test runs nginx and HAProxy from Debian's packages in front of a
// daemon and behind it, and asks what they and the daemon take for the client.
package peers_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/pkg/admin"
)

// patience ends what would hang.
const patience = time.Minute

// A seat is a socket that listens already and is handed to a peer, so that
// nobody else can have its port and nobody has to wait for the peer.
type seat struct {
	addr string
	file *os.File
}

// seats are the sockets of one peer; the first is its descriptor 3.
type seats struct {
	t    testing.TB
	list []*seat
}

// at takes a free port of an address, such as 127.0.0.1, and returns it with its
// address.
func (s *seats) at(host string) *seat {
	s.t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = f.Close() })
	k := &seat{addr: ln.Addr().String(), file: f}
	s.list = append(s.list, k)
	return k
}

// fd is the descriptor that k is in the peer.
func (s *seats) fd(k *seat) int {
	for i, other := range s.list {
		if other == k {
			return 3 + i
		}
	}
	s.t.Fatalf("%s is not a seat of this peer", k.addr)
	return 0
}

// start runs a peer with the seats until the test ends.
func (s *seats) start(env []string, name string, args ...string) {
	s.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = filepath.Join("/usr/sbin", name) // not in everybody's PATH
	}
	out := &buffer.Buffer{}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, out, time.Second
	cmd.Env = append(os.Environ(), env...)
	// Its children are of its group, and it ends with this process at the latest.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	for _, k := range s.list {
		cmd.ExtraFiles = append(cmd.ExtraFiles, k.file)
	}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // whose end is what the kernel takes for that of this process
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		s.t.Fatalf("%v; test/setup installs it", err)
	}
	for _, k := range s.list {
		// os/exec has made the socket blocking, for everybody who has it.
		if err := syscall.SetNonblock(int(k.file.Fd()), true); err != nil {
			s.t.Error(err)
		}
		_ = k.file.Close() // who connects after the peer's end is refused
	}
	s.t.Cleanup(func() {
		select {
		case <-ended:
			s.t.Errorf("%s ended by itself: %v", name, cmd.ProcessState)
		default:
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			s.t.Errorf("%s does not end", name)
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
		if s.t.Failed() {
			s.t.Logf("%s (%v) said:\n%s", name, cmd.ProcessState, out)
		}
	})
}

// haproxy runs one with a config, in one process and one thread.
func (s *seats) haproxy(config string) {
	s.t.Helper()
	const head = `
global
  nbthread 1
  maxconn 200
defaults
  retries 0
  timeout connect 10s
  timeout client 30s
  timeout server 30s
  timeout tunnel 30s
`
	s.start(nil, "haproxy", "-db", "-f", s.write("haproxy.cfg", head+config))
}

// nginx runs one: contents of its http and stream blocks. Without a master it
// does not bear sockets that it was given (1.22 crashes).
func (s *seats) nginx(http, stream string) {
	s.t.Helper()
	var inherited strings.Builder
	for _, k := range s.list {
		fmt.Fprintf(&inherited, "%d;", s.fd(k))
	}
	config := `
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
user root;
pid nginx.pid;
error_log stderr error;
events { worker_connections 200; }
http {
  access_log off;
  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
` + http + "\n}\nstream {\n" + stream + "\n}\n"
	file := s.write("nginx.conf", config)
	s.start([]string{"NGINX=" + inherited.String()}, "nginx", "-p", filepath.Dir(file), "-c", file, "-e", "stderr")
}

// write writes a file into a new folder.
func (s *seats) write(name, content string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// address is where a listener of the daemon is bound, over IPv4 or IPv6.
func address(t testing.TB, d *testkit.Daemon, listener, host string) string {
	t.Helper()
	for _, l := range d.Status().Listeners {
		if l.Name != listener {
			continue
		}
		for _, a := range l.Addresses {
			if h, _, err := net.SplitHostPort(a); err == nil && h == host {
				return a
			}
		}
	}
	t.Fatalf("listener %s is not on %s", listener, host)
	return ""
}

// hosts are what everything is tried over, with an address for clients that is
// not the peers' where there is one.
var hosts = []struct{ name, host, client string }{
	{"IPv4", "127.0.0.1", "127.0.0.77"},
	{"IPv6", "::1", "::1"},
}

// dial connects from an address, with a deadline for all that follows.
func dial(ctx context.Context, from, to string) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c.(*net.TCPConn), nil
}

func mustDial(t testing.TB, from, to string) *net.TCPConn {
	t.Helper()
	c, err := dial(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// seen waits until the daemon has a connection whose client is peer and that
// came through somebody else.
func seen(t testing.TB, d *testkit.Daemon, peer net.Addr) {
	t.Helper()
	var list []admin.Socket
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		list = d.Sockets()
		for _, s := range list {
			if s.Peer == peer.String() && s.Via != "" && s.Via != s.Peer {
				return
			}
		}
	}
	t.Errorf("no connection is known as that of %v: %+v", peer, list)
}
