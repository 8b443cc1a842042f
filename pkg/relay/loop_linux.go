package relay

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const loopEvents = 256 // taken at a time

// Loops move the bytes of any number of relays, with one goroutine for each
// processor: an exchange over a connection wakes nobody else. They start when they
// are used first. The zero value is ready.
type Loops struct {
	mu     sync.Mutex
	all    []*loop // guarded by mu
	next   int     // guarded by mu
	closed bool    // guarded by mu
}

// one is the loop of the next relay; nil: there is none to be had.
func (ls *Loops) one() *loop {
	if ls == nil {
		return nil
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for n := runtime.GOMAXPROCS(0); len(ls.all) < n && !ls.closed; {
		l, err := newLoop()
		if err != nil { // no descriptors are left
			break
		}
		ls.all = append(ls.all, l)
	}
	if len(ls.all) == 0 || ls.closed {
		return nil
	}
	ls.next++
	return ls.all[ls.next%len(ls.all)]
}

// Close stops them. No relay may run any more.
func (ls *Loops) Close() error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.closed = true
	var errs []error
	for _, l := range ls.all {
		l.stopLooks()
		errs = append(errs, l.file.Close())
		<-l.stopped
	}
	return errors.Join(errs...)
}

// A loop is an epoll descriptor that is itself waited for in the runtime's poller, so
// that no thread sits in epoll_wait.
type loop struct {
	file    *os.File // for the runtime's poller
	raw     syscall.RawConn
	stopped chan struct{}
	again   []*Relay // which could go on; of the loop's goroutine

	mu    sync.Mutex // guards the rest
	slots []*Relay   // by what epoll calls them; nil: free
	free  []int32
	looks *time.Timer   // of all relays together; nil: there are none
	every time.Duration // between two looks
}

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that it can be waited for
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	l := &loop{file: os.NewFile(uintptr(fd), "epoll"), stopped: make(chan struct{})}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, l.file.Close())
	}
	go l.run()
	return l, nil
}

func (l *loop) run() {
	defer close(l.stopped)
	events := make([]unix.EpollEvent, loopEvents)
	n := 0
	look := func(fd uintptr) bool {
		n = arrived(int(fd), events)
		return n > 0 || len(l.again) > 0
	}
	for l.raw.Read(look) == nil {
		more := l.again
		l.again = nil
		for _, e := range events[:n] {
			l.tell(e)
		}
		for _, r := range more {
			l.turn(r, nil)
		}
		runtime.Gosched() // the scheduler is not told of what a turn calls
	}
}

// tell gives a relay its turn. It may be another one than the event was for; that
// one finds nothing to do.
func (l *loop) tell(e unix.EpollEvent) {
	l.mu.Lock()
	r := l.slots[e.Fd>>1]
	l.mu.Unlock()
	if r == nil {
		return
	}
	l.turn(r, func() {
		s := &r.loop.sides[e.Fd&1]
		const last = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR | unix.EPOLLPRI
		s.ready = s.ready || e.Events&(unix.EPOLLIN|last) != 0
		s.last = s.last || e.Events&last != 0
		s.full = s.full && e.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) == 0
	})
}

func (l *loop) turn(r *Relay, first func()) {
	if r.turn(first) {
		l.again = append(l.again, r)
	}
}

// look has all relays looked after, for as long as there are some.
func (l *loop) look() {
	l.mu.Lock()
	relays := slices.DeleteFunc(slices.Clone(l.slots), func(r *Relay) bool { return r == nil })
	l.mu.Unlock()
	now := time.Now()
	for _, r := range relays {
		r.look(now)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.looks == nil: // closed
	case len(l.free) == len(l.slots):
		l.looks = nil
	default:
		l.looks.Reset(l.every)
	}
}

func (l *loop) stopLooks() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.looks != nil {
		l.looks.Stop()
		l.looks = nil
	}
}

// lookSoon sees to it that a relay is looked after, which has to be so often. It
// needs mu.
func (l *loop) lookSoon(every time.Duration) {
	switch {
	case l.looks == nil:
		l.every = every
		l.looks = time.AfterFunc(every, l.look)
	case every < l.every:
		l.every = every
		l.looks.Reset(every)
	}
}

// place gives r a slot.
func (l *loop) place(r *Relay) (slot int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lookSoon(r.pause())
	if n := len(l.free); n > 0 {
		slot = l.free[n-1]
		l.free = l.free[:n-1]
		l.slots[slot] = r
		return slot
	}
	l.slots = append(l.slots, r)
	return int32(len(l.slots) - 1)
}

// forget frees a slot.
func (l *loop) forget(slot int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slots[slot] = nil
	l.free = append(l.free, slot)
}

// looped is what a relay is to a loop: client, then up, and the bytes that each sends
// to the other.
type looped struct {
	loop *loop
	slot int32
	done chan struct{} // closed when nothing is moved any more
	upIs chan struct{} // closed when up has ended its side; nil: nobody wants to know

	mu    sync.Mutex // held by whose turn it is; guards the rest
	over  bool
	armed bool // the loop is told of what comes
	sides [2]side
	flows [2]flow
	fds   [2]int         // during a turn
	outer func(uintptr)  // of turn, made once
	inner func(uintptr)  // likewise
	more  bool           // what a turn found
	err   error          // likewise
	notes [2]func(n int) // of flows
}

// enter gives the relay to a loop, where both its ends are sockets.
func (r *Relay) enter() bool {
	l := &r.loop
	for i, c := range []net.Conn{r.socket, r.up} {
		_, unixSocket := c.(*net.UnixConn)
		if l.sides[i] = (side{descriptor: descriptorOf(c), tcp: !unixSocket, ready: i == 0}); l.sides[i].descriptor == nil {
			return false
		}
	}
	if l.loop = r.opt.Loops.one(); l.loop == nil {
		return false
	}
	l.notes[0] = func(n int) { r.note(n, r.opt.Received) }
	l.notes[1] = func(n int) { r.note(n, r.opt.Sent) }
	l.outer = func(fd uintptr) {
		l.fds[0] = int(fd)
		if err := l.sides[1].Control(l.inner); err != nil {
			l.err = err
		}
	}
	l.inner = func(fd uintptr) {
		l.fds[1] = int(fd)
		l.more, l.err = r.moveAll()
	}
	l.done = make(chan struct{})
	if r.opt.Gone != nil {
		l.upIs = make(chan struct{})
	}
	l.slot = l.loop.place(r)
	r.turn(nil) // a client mostly has said something already
	return true
}

// watchSide says what is wanted to know of a side. It is part of a turn.
func (r *Relay) watchSide(i, op int) (err error) {
	l := &r.loop
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLPRI | unix.EPOLLET)
	if l.sides[i].waits {
		events |= unix.EPOLLOUT
	}
	cerr := l.loop.raw.Control(func(epoll uintptr) {
		err = register(int(epoll), op, l.fds[i], events, l.slot<<1|int32(i))
	})
	return errors.Join(err, cerr)
}

// await returns when nothing is moved any more.
func (r *Relay) await(ctx context.Context) {
	upIs, gone := r.loop.upIs, (<-chan struct{})(nil)
	for {
		select {
		case <-r.loop.done:
			return
		case <-ctx.Done():
			r.close(EndCut)
		case <-upIs:
			upIs, gone = nil, r.opt.Gone
		case <-gone:
			r.close(EndClosed)
		}
	}
}

// turn moves what can be moved in both directions; more: it could go on. first is
// done before.
func (r *Relay) turn(first func()) (more bool) {
	l := &r.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	if first != nil {
		first()
	}
	l.more, l.err = false, nil
	if err := l.sides[0].Control(l.outer); err != nil {
		l.err = err
	}
	switch {
	case l.err != nil:
		r.broke()
	case l.flows[0].ended && l.flows[1].ended:
		r.finish()
	default:
		return l.more
	}
	return false
}

// moveAll is the part of a turn for which both sockets are held open.
func (r *Relay) moveAll() (more bool, err error) {
	l := &r.loop
	for i := range l.flows {
		f, from, to := &l.flows[i], &l.sides[i], &l.sides[1-i]
		if f.ended {
			continue
		}
		again, err := f.move(from, to, l.fds[i], l.fds[1-i], l.notes[i])
		if err != nil {
			return false, err
		}
		more = more || again
		if f.ended && !l.flows[1-i].ended {
			endWrites(l.fds[1-i])
			if i == 1 && l.upIs != nil {
				close(l.upIs)
			}
		}
		if to.full && !to.waits {
			to.waits = true
			if !l.armed {
				continue
			}
			if err := r.watchSide(1-i, unix.EPOLL_CTL_MOD); err != nil {
				return false, err
			}
		}
	}
	if l.armed {
		return more, nil
	}
	l.armed = true
	return more, errors.Join(r.watchSide(0, unix.EPOLL_CTL_ADD), r.watchSide(1, unix.EPOLL_CTL_ADD))
}

// broke ends the relay because one side broke off: the other must not take it for
// an end. It needs the loop's mu.
func (r *Relay) broke() {
	if r.why.CompareAndSwap(int32(none), int32(EndBroken)) {
		reset(r.client)
		reset(r.up)
	}
	r.finish()
}

// finish ends the moves. It needs the loop's mu.
func (r *Relay) finish() {
	l := &r.loop
	l.over = true
	for i := range l.flows {
		l.flows[i].drop()
	}
	l.loop.forget(l.slot)
	close(l.done)
}

// leave ends the moves from outside, if a loop does them.
func (r *Relay) leave() {
	l := &r.loop
	if l.loop == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		r.finish()
	}
}
