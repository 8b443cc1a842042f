package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A server is a process that was started here, with what it started itself.
type server struct {
	cmd *exec.Cmd
	log *output
	end sync.Once
}

// startPatience is how long a server has until it listens.
const startPatience = 30 * time.Second

// spawn starts a command in a process group of its own and waits until addr takes
// connections.
func spawn(ctx context.Context, addr string, command ...string) (*server, error) {
	s, err := launch(ctx, nil, command...)
	if err != nil {
		return nil, err
	}
	if err := s.listens(ctx, addr); err != nil {
		return nil, err
	}
	return s, nil
}

// listens waits until an address takes connections; if it never does the server
// is stopped.
func (s *server) listens(ctx context.Context, addr string) error {
	for deadline := time.Now().Add(startPatience); ; time.Sleep(2 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			return c.Close()
		}
		if s.dead() || time.Now().After(deadline) || ctx.Err() != nil {
			s.stop()
			return fmt.Errorf("%s does not answer on %s: %s", filepath.Base(s.cmd.Path), addr, s.log)
		}
	}
}

// launch starts a command in a process group of its own.
func launch(ctx context.Context, env []string, command ...string) (*server, error) {
	s := &server{log: &output{}}
	s.cmd = exec.CommandContext(ctx, command[0], command[1:]...)
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = stopPatience
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	return s, nil
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// dead says whether the process has ended and was not waited for.
func (s *server) dead() bool {
	f := statFields(fmt.Sprintf("/proc/%d/stat", s.pid()))
	return len(f) > 0 && f[0] == "Z"
}

// stopPatience is how long a process has to end by itself.
const stopPatience = 5 * time.Second

// stop ends the process, and when it is dead, or after a while, what is left of
// its group.
func (s *server) stop() {
	s.end.Do(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		for deadline := time.Now().Add(stopPatience); !s.dead() && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		_ = syscall.Kill(-s.pid(), syscall.SIGKILL)
		_ = s.cmd.Wait()
	})
}

// servers are ended together, the last one first.
type servers []*server

func (all servers) stop() {
	for i := len(all) - 1; i >= 0; i-- {
		all[i].stop()
	}
}

// output keeps the end of what a process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

// outputLimit is how much of it is kept.
const outputLimit = 64 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Write(p)
	if n := o.b.Len() - outputLimit; n > 0 {
		o.b.Next(n)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// freeAddrs are addresses that nobody listens on, below the ports that the system
// gives to whoever asks for none.
func freeAddrs(n int) (addrs []string, err error) {
	const lowest, highest = 10_000, 32_000
	for port, tries := lowest+rand.IntN(highest-lowest), 0; len(addrs) < n; port, tries = port+1, tries+1 {
		if tries > highest-lowest {
			return nil, fmt.Errorf("%d ports of %d are free", len(addrs), n)
		}
		if port > highest {
			port = lowest
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		addrs = append(addrs, ln.Addr().String())
		if err := ln.Close(); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

// writeConfig writes a server's file into a folder of its own and returns both.
func writeConfig(parent, name, config string) (dir, file string, err error) {
	if dir, err = os.MkdirTemp(parent, "peer-"); err != nil {
		return "", "", err
	}
	file = filepath.Join(dir, name)
	return dir, file, os.WriteFile(file, []byte(config), 0o644)
}
