package netns

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Machine has a network of its own, and one address.
type Machine struct {
	Name string
	Addr netip.Addr

	net    *Network
	pid    int       // of the process that holds the namespace
	holder io.Closer // closing it ends that process
	dev    *device
	in     *path // to dev
	out    *path // from dev

	mu      sync.Mutex
	weather map[netip.Addr]Weather // to and from addresses; guarded by mu
	others  Weather                // to and from all others; guarded by mu
}

// Weather is what packets meet on their way, in each direction.
type Weather struct {
	Delay, Jitter time.Duration // of a packet: Delay, more or less by up to Jitter
	Loss          float64       // the part of packets that do not arrive; 1: all
}

// Cut is when nothing arrives.
var Cut = Weather{Loss: 1}

// Weather is what it is from now on, between the machine and some addresses, or,
// where none is named, all that none was named for.
func (m *Machine) Weather(w Weather, addrs ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(addrs) == 0 {
		m.others = w
	}
	for _, a := range addrs {
		m.weather[netip.MustParseAddr(a)] = w
	}
}

// Fine ends all weather.
func (m *Machine) Fine() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.others = Weather{}
	maps.DeleteFunc(m.weather, func(netip.Addr, Weather) bool { return true })
}

func (m *Machine) at(addr netip.Addr) Weather {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w, ok := m.weather[addr]; ok {
		return w
	}
	return m.others
}

// hold starts a process that does nothing but have a namespace, until the test, or
// its process, has ended.
func (m *Machine) hold() error {
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	m.pid, m.holder = cmd.Process.Pid, in
	return nil
}

// device makes the machine's device, in a thread that is then of no other use.
func (m *Machine) device() (dev *device, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // it ends with the goroutine
		var fd int
		if fd, err = unix.Open(namespace(m.pid), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			err = fmt.Errorf("open namespace: %w", err)
			return
		}
		defer unix.Close(fd)
		if err = unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("enter namespace: %w", err)
			return
		}
		dev, err = openDevice("net0")
	}()
	<-done
	return dev, err
}
