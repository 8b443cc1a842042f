package netns

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A device is a network interface whose packets this process reads and writes.
type device struct{ f *os.File }

// openDevice makes a device in the namespace of the thread.
func openDevice(name string) (*device, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make interface %s: %w", name, err)
	}
	return &device{os.NewFile(uintptr(fd), name)}, nil
}

// read hands on what comes out of the device until that is closed.
func (d *device) read(fn func([]byte)) {
	buf := make([]byte, 64<<10)
	for {
		n, err := d.f.Read(buf)
		if err != nil {
			return
		}
		fn(buf[:n])
	}
}

// pathLen is how many packets may be on their way. More are lost, as in any
// network.
const pathLen = 4096

// A path is one direction of a machine's connection to all others.
type path struct {
	packets chan packet

	mu     sync.Mutex
	last   time.Time // when the last packet arrives; guarded by mu
	closed bool      // guarded by mu
}

// A packet arrives at a device at a time.
type packet struct {
	data []byte
	to   *device
	due  time.Time
}

func newPath() *path { return &path{packets: make(chan packet, pathLen)} }

// pass sends a packet on its way, through a weather. Packets arrive in the order in
// which they were sent.
func (p *path) pass(data []byte, to *device, w Weather) {
	if w.Loss > 0 && rand.Float64() < w.Loss {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	due := time.Now().Add(w.Delay)
	if w.Jitter > 0 {
		due = due.Add(rand.N(2*w.Jitter) - w.Jitter)
	}
	if due.Before(p.last) {
		due = p.last
	}
	if p.closed {
		return
	}
	select {
	case p.packets <- packet{bytes.Clone(data), to, due}:
		p.last = due
	default:
	}
}

// run lets packets arrive until the path is closed.
func (p *path) run() {
	for pk := range p.packets {
		if left := time.Until(pk.due); left > 0 {
			time.Sleep(left)
		}
		_, _ = pk.to.f.Write(pk.data) // what cannot be taken is lost
	}
}

func (p *path) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.packets)
	}
}
