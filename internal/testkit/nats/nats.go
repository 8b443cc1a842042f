// Package nats runs a NATS server for a test, behind an address that stays while
// the server comes and goes. It needs the program nats-server.
package nats

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/internal/testkit/link"
	"github.com/porticod/portico/internal/testkit/wait"
)

// A Server is a NATS server. It ends with the test.
type Server struct {
	URL  string     // nats://127.0.0.1:port
	Link *link.Link // what its clients come through

	t    testing.TB
	args []string
	cmd  *exec.Cmd // nil: it does not run
	done chan struct{}
	out  buffer.Buffer
}

// Start starts a server, with more arguments if wanted.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	l := link.New(t)
	s := &Server{URL: "nats://" + l.Addr, Link: l, t: t, args: args}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("nats-server said:\n%s", s.out.String())
		}
	})
	s.Run()
	return s
}

// Run starts the server again after Stop, as a new one that knows nothing.
func (s *Server) Run() {
	s.t.Helper()
	dir := s.t.TempDir()
	// Debian has it in /usr/sbin, which is not on everybody's path.
	program, err := exec.LookPath("nats-server")
	if err != nil {
		program = "/usr/sbin/nats-server"
	}
	// The kernel picks the port, and the server writes it into a file.
	args := append([]string{"-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", dir}, s.args...)
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &s.out, &s.out
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start nats-server (Debian's package nats-server has it): %v", err)
	}
	s.cmd, s.done = cmd, make(chan struct{})
	go func() {
		defer close(s.done)
		_ = cmd.Wait()
	}()
	wait.Works(s.t, "nats-server says its port", func() error {
		select {
		case <-s.done:
			s.t.Fatalf("nats-server ended:\n%s", s.out.String())
		default:
		}
		addr, err := portOf(filepath.Join(dir, fmt.Sprintf("nats-server_%d.ports", cmd.Process.Pid)))
		s.Link.To(addr)
		return err
	})
}

func portOf(file string) (addr string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var ports struct{ Nats []string }
	if err := json.Unmarshal(b, &ports); err != nil {
		return "", err
	}
	if len(ports.Nats) == 0 {
		return "", fmt.Errorf("%s names no address", file)
	}
	return strings.TrimPrefix(ports.Nats[0], "nats://"), nil
}

// Stop kills the server, if it runs. Its clients see resets.
func (s *Server) Stop() {
	s.Link.To("")
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.done
		s.cmd = nil
	}
	s.Link.Reset()
}
