package chat

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

const pollEvents = 256 // taken at a time

// A poller waits for the parked connections of a service, all in one goroutine
// that itself waits in the runtime's poller: an epoll descriptor can be waited
// for like any other. Who has something to read is woken in a goroutine that may
// wait; a few of those are kept, because their stacks have grown to what
// commands take.
type poller struct {
	fd      int
	file    *os.File // of fd, for the runtime's poller
	raw     syscall.RawConn
	ready   chan *wsConn // to goroutines that have nothing to do
	stopped chan struct{}
	spare   atomic.Int32 // of those
	work    sync.WaitGroup

	mu    sync.Mutex
	slots []*wsConn // by what epoll calls them; nil: free; guarded by mu
	free  []int32   // guarded by mu
}

// newPoller starts a poller.
func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll descriptor: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // so that it can be waited for
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("make an epoll descriptor: %w", err)
	}
	p := &poller{fd: fd, file: os.NewFile(uintptr(fd), "epoll"), ready: make(chan *wsConn), stopped: make(chan struct{})}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("make an epoll descriptor: %w", err), p.file.Close())
	}
	p.work.Go(p.run)
	return p, nil
}

func (p *poller) run() {
	defer close(p.stopped)
	events := make([]syscall.EpollEvent, pollEvents)
	for {
		n := 0
		err := p.raw.Read(func(fd uintptr) bool {
			var err error
			n, err = syscall.EpollWait(int(fd), events, 0)
			return n > 0 || err != nil && !errors.Is(err, syscall.EINTR)
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:max(n, 0)] {
			if t := p.at(e.Fd); t != nil && t.busy.CompareAndSwap(false, true) {
				p.hand(t)
			}
		}
	}
}

// at returns who has a slot. It may be somebody else than whom an event was for;
// he finds nothing to read.
func (p *poller) at(slot int32) *wsConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slots[slot]
}

// hand gives t to a goroutine that is free, or to a new one.
func (p *poller) hand(t *wsConn) {
	select {
	case p.ready <- t:
	default:
		p.work.Go(func() { p.serve(t) })
	}
}

// serve wakes t, and then others, for as long as not too many do the same.
func (p *poller) serve(t *wsConn) {
	for t != nil {
		t.wake()
		if p.spare.Add(1) > int32(2*runtime.GOMAXPROCS(0)) {
			p.spare.Add(-1)
			return
		}
		t = <-p.ready // nil when it was closed
		p.spare.Add(-1)
	}
}

// aside runs what may wait, for those whom it called: they do not count in the
// service's work.
func (p *poller) aside(f func()) { p.work.Go(f) }

const pollIn = syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT

// arm has t woken, once, as soon as there is something to read.
func (p *poller) arm(t *wsConn) error {
	slot, op := p.place(t)
	if slot < 0 {
		return net.ErrClosed
	}
	return p.control(t, op, &syscall.EpollEvent{Events: pollIn, Fd: slot})
}

// control is for a connection that is not shut: it, and so the poller, stays open
// meanwhile.
func (p *poller) control(t *wsConn, op int, e *syscall.EpollEvent) error {
	var err error
	cerr := t.raw.Control(func(fd uintptr) { err = syscall.EpollCtl(p.fd, op, int(fd), e) })
	return errors.Join(cerr, err)
}

// place returns t's slot, -1 if it was shut meanwhile, and what to ask of epoll.
func (p *poller) place(t *wsConn) (slot int32, op int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case t.slot >= 0:
		return t.slot, syscall.EPOLL_CTL_MOD
	case t.phase.Load() == wsShut:
		return -1, 0
	case len(p.free) > 0:
		t.slot = p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		p.slots[t.slot] = t
	default:
		t.slot = int32(len(p.slots))
		p.slots = append(p.slots, t)
	}
	return t.slot, syscall.EPOLL_CTL_ADD
}

// remove forgets t. Its descriptor is still open, and may stay so in another
// process: then epoll would go on about it.
func (p *poller) remove(t *wsConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.slot < 0 {
		return
	}
	_ = p.control(t, syscall.EPOLL_CTL_DEL, nil)
	p.slots[t.slot] = nil
	p.free = append(p.free, t.slot)
	t.slot = -1
}

// close stops it and waits for everybody whom it woke. All connections must be
// shut.
func (p *poller) close() error {
	err := p.file.Close()
	<-p.stopped
	close(p.ready)
	p.work.Wait()
	return err
}
