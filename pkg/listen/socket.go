package listen

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Socket is a listening socket of a Set.
type Socket struct {
	set   *Set
	addr  Address
	ln    net.Listener
	inode uint64 // of a unix socket's file
	refs  int    // guarded by set.mu

	keptAs  string // the keeper's name for its copy; empty: it has none
	foreign bool   // somebody else bound it, and goes on holding it

	handler  atomic.Pointer[func(net.Conn)]
	onError  atomic.Pointer[func(error)]
	errors   atomic.Uint64
	accepted atomic.Uint64

	leanMu sync.Mutex                   // held while lean is made or shut
	lean   atomic.Pointer[leanAcceptor] // nil: nobody asked for it yet

	serving sync.Mutex // held by the accept loop, and by who drains
	once    sync.Once
	leave   chan struct{} // closed when the accept loop should end
	done    chan struct{} // closed when the socket is
}

// Address is what the socket was opened with.
func (k *Socket) Address() Address { return k.addr }

// Addr is where the socket is bound, with the port that the kernel picked.
func (k *Socket) Addr() net.Addr {
	if k.addr.Network == "unix" {
		return &net.UnixAddr{Net: "unix", Name: k.addr.Host}
	}
	return k.ln.Addr()
}

// PacketConn is the socket of a UDP address, nil for others. Whoever uses it
// reads from it alone, and leaves closing it to Close.
func (k *Socket) PacketConn() *net.UDPConn {
	if p, ok := k.ln.(packets); ok {
		return p.UDPConn
	}
	return nil
}

// Port is the port of a TCP or UDP socket; -1 for others.
func (k *Socket) Port() int { return portOf(k.ln) }

func portOf(ln net.Listener) int {
	switch a := ln.Addr().(type) {
	case *net.TCPAddr:
		return a.Port
	case *net.UDPAddr:
		return a.Port
	}
	return -1
}

// SyscallConn gives access to the descriptor, to pass it on. (The descriptor of
// a File would make the socket blocking for everybody who has it.)
func (k *Socket) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := k.ln.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// AcceptErrors is how often accepting failed.
func (k *Socket) AcceptErrors() uint64 { return k.errors.Load() }

// Accepted is how many connections were accepted.
func (k *Socket) Accepted() uint64 { return k.accepted.Load() }

// OnError sets a function that is told of every failure to accept. It must not
// block.
func (k *Socket) OnError(f func(error)) { k.onError.Store(&f) }

// SetHandler says who gets connections from now on. h owns them and must not
// block: it is called from the accept loop.
func (k *Socket) SetHandler(h func(net.Conn)) { k.handler.Store(&h) }

// SetLean says whether connections are accepted as *lean.Conn from now on, where
// that can be: over TCP, on Linux. What comes just now may be of either kind.
func (k *Socket) SetLean(on bool) {
	k.leanMu.Lock()
	defer k.leanMu.Unlock()
	a := k.lean.Load()
	if a == nil {
		if !on || k.addr.Network != "tcp" || k.isLeaving() {
			return
		}
		var err error
		if a, err = newLeanAcceptor(k.ln); err != nil {
			return // no descriptors are left; it goes on as ever
		}
		k.lean.Store(a)
	}
	a.on.Store(on)
}

// isLeaving reports whether the socket is shut.
func (k *Socket) isLeaving() bool {
	select {
	case <-k.leave:
		return true
	default:
		return false
	}
}

// Serve accepts connections until Close has closed the socket, then returns. h
// is the handler from now on; nil leaves the one that was set, which a caller
// that starts Serve in a goroutine wants, because its turn may come late. A
// socket may be served by several callers; one of them does the work.
func (k *Socket) Serve(h func(net.Conn)) {
	if h != nil {
		k.SetHandler(h)
	}
	if k.serving.TryLock() {
		k.accept()
		k.serving.Unlock()
	}
	<-k.done
}

func (k *Socket) handle(nc net.Conn) {
	k.accepted.Add(1)
	if h := k.handler.Load(); h != nil {
		(*h)(nc)
		return
	}
	_ = nc.Close()
}

const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept hands connections on until the socket is closing. No error ends it:
// one that lasts (no descriptors left, no memory) is waited out.
func (k *Socket) accept() {
	var pause time.Duration
	for {
		nc, err := k.next()
		switch {
		case err == nil:
			if pause > 0 {
				k.set.log.Info().Stringer("address", k.addr).Msg("accepting connections again")
			}
			pause = 0
			k.handle(nc)
			continue
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return // shut
		}
		k.failed(err, pause == 0)
		pause = min(max(2*pause, firstPause), lastPause)
		select {
		case <-time.After(pause):
		case <-k.leave:
			return
		}
	}
}

// next waits for a connection.
func (k *Socket) next() (net.Conn, error) {
	if a := k.lean.Load(); a != nil && a.on.Load() {
		if nc, err := a.accept(); nc != nil || err != nil {
			return nc, err
		}
	}
	return k.ln.Accept()
}

func (k *Socket) failed(err error, first bool) {
	k.errors.Add(1)
	if f := k.onError.Load(); f != nil {
		(*f)(err)
	}
	if !first {
		return // once, until it works again
	}
	e := k.set.log.Error().Err(err).Stringer("address", k.addr)
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		e.Msg("no file descriptors left: connections wait; raise LimitNOFILE or lower limits.connections")
		return
	}
	e.Msg("cannot accept connections; trying on")
}

// Close gives the socket back. The last Close closes it and the keeper's copy,
// after every connection that was made was accepted and handed on; that takes
// some 200 ms, and at most two seconds. One that somebody else bound stays open
// there, with what waits in it.
func (k *Socket) Close() error {
	k.set.mu.Lock()
	k.refs--
	last := k.refs == 0
	if last {
		k.set.forget(k)
	}
	k.set.mu.Unlock()
	if !last {
		return nil
	}
	return k.shut(!k.foreign)
}

// Held reports whether somebody else has the socket open too, for the next
// process: then Release loses nothing.
func (k *Socket) Held() bool { return k.foreign || k.keptAs != "" }

// Release closes the process's descriptor at once, whoever has the socket open,
// and leaves the connections that wait to whoever else holds it: the service
// manager, for the next process.
func (k *Socket) Release() error {
	k.set.mu.Lock()
	k.set.forget(k)
	k.set.mu.Unlock()
	return k.shut(false)
}

// shut closes the socket, once.
func (k *Socket) shut(drain bool) (err error) {
	k.once.Do(func() {
		close(k.leave)
		k.leanMu.Lock() // what SetLean has begun is closed below, too
		a := k.lean.Load()
		k.leanMu.Unlock()
		if drain {
			k.set.unkeep(k) // while it is open here, so that nothing is reset
			k.drain()
			k.unlink()
		}
		if a != nil {
			a.close()
		}
		err = k.ln.Close()
		close(k.done)
		k.set.mu.Lock() // after done: Open waits for it with the lock held
		delete(k.set.leaving, k)
		k.set.mu.Unlock()
	})
	return err
}
