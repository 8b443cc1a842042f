// Package netns makes machines for tests: network namespaces between which every
// packet passes through the test, which delays, loses and cuts what it wants. It
// needs root, /dev/net/tun, ip and nsenter, and no module of the kernel.
package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// insideVar is set in the process that has a network of its own.
const insideVar = "PORTICO_TEST_NETNS"

// Main is for TestMain: it runs the tests in a process with a network of its own,
// in which there is nothing yet, and returns the status to exit with. Without
// root it runs them as they are; New says what is missing.
func Main(m *testing.M) int {
	if os.Getenv(insideVar) != "" || os.Getuid() != 0 {
		return m.Run()
	}
	runtime.LockOSThread() // whose end ends the process that it started
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "find the tests:", err)
		return 1
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "make a network:", err)
		return 1
	}
	return 0
}

// A Network joins machines with the process of the test. It ends with the test.
type Network struct {
	t    testing.TB
	dir  string // programs of machines
	hub  *device
	wait sync.WaitGroup // for all devices and paths

	mu       sync.Mutex
	machines map[netip.Addr]*Machine // guarded by mu
}

// New makes a network in which the test has the addresses of here, the first for
// what it connects to. It skips the test without root, but not where everything
// has to be tried. The machines are within a prefix that has none of here.
func New(t testing.TB, machines string, here ...string) *Network {
	t.Helper()
	if os.Getenv(insideVar) == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test makes networks and has to be run as root")
		}
		t.Skip("this test makes networks: run it as root")
	}
	n := &Network{t: t, dir: t.TempDir(), machines: map[netip.Addr]*Machine{}}
	t.Cleanup(n.end)
	n.ip(0, "link", "set", "lo", "up")
	var err error
	if n.hub, err = openDevice("hub"); err != nil {
		t.Fatal(err)
	}
	for _, addr := range here {
		n.ip(0, "addr", "add", addr+"/32", "dev", "hub")
	}
	n.ip(0, "link", "set", "hub", "up")
	n.ip(0, "route", "add", machines, "dev", "hub", "src", here[0])
	n.wait.Go(func() { n.hub.read(n.fromHere) })
	return n
}

// ip runs ip in the namespace of a process; 0 is the test's own.
func (n *Network) ip(pid int, args ...string) {
	n.t.Helper()
	name := "ip"
	if pid != 0 {
		name, args = "nsenter", append([]string{"--net=" + namespace(pid), "ip"}, args...)
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func namespace(pid int) string { return fmt.Sprintf("/proc/%d/ns/net", pid) }

// Machine makes a machine with an address.
func (n *Network) Machine(name, addr string) *Machine {
	n.t.Helper()
	m := &Machine{Name: name, Addr: netip.MustParseAddr(addr), net: n, weather: map[netip.Addr]Weather{}, in: newPath(), out: newPath()}
	if err := m.hold(); err != nil {
		n.t.Fatalf("make machine %s: %v", name, err)
	}
	var err error
	if m.dev, err = m.device(); err != nil {
		_ = m.holder.Close()
		n.t.Fatalf("make machine %s: %v", name, err)
	}
	n.ip(m.pid, "link", "set", "lo", "up")
	n.ip(m.pid, "addr", "add", addr+"/32", "dev", "net0")
	n.ip(m.pid, "link", "set", "net0", "up")
	n.ip(m.pid, "route", "add", "default", "dev", "net0", "src", addr)
	n.mu.Lock()
	n.machines[m.Addr] = m
	n.mu.Unlock()
	n.wait.Go(func() { m.dev.read(m.fromThere) })
	n.wait.Go(m.in.run)
	n.wait.Go(m.out.run)
	return m
}

func (n *Network) machine(addr netip.Addr) *Machine {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.machines[addr]
}

// fromHere passes on what the test sends.
func (n *Network) fromHere(packet []byte) {
	src, dst, ok := ends(packet)
	if m := n.machine(dst); ok && m != nil {
		m.in.pass(packet, m.dev, m.at(src))
	}
}

// fromThere passes on what a machine sends.
func (m *Machine) fromThere(packet []byte) {
	_, dst, ok := ends(packet)
	if !ok {
		return
	}
	to := m.net.hub
	if other := m.net.machine(dst); other != nil {
		to = other.dev
	}
	m.out.pass(packet, to, m.at(dst))
}

// ends are the addresses of a packet of IPv4.
func ends(packet []byte) (src, dst netip.Addr, ok bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 {
		return src, dst, false
	}
	return netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20])), true
}

// end takes everything down.
func (n *Network) end() {
	if n.hub != nil {
		_ = n.hub.f.Close()
	}
	n.mu.Lock()
	for _, m := range n.machines {
		_ = m.dev.f.Close()
		m.in.close()
		m.out.close()
		_ = m.holder.Close()
	}
	n.mu.Unlock()
	n.wait.Wait()
}

// Program is a program that runs bin on the machine, in the process that runs it.
func (m *Machine) Program(bin string) string {
	m.net.t.Helper()
	path := filepath.Join(m.net.dir, m.Name+"-"+filepath.Base(filepath.Dir(bin)))
	text := fmt.Sprintf("#!/bin/sh\nexec nsenter --net=%s '%s' \"$@\"\n", namespace(m.pid), bin)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		m.net.t.Fatal(err)
	}
	return path
}
