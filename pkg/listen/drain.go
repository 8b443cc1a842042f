package listen

import (
	"net"
	"os"
	"syscall"
	"time"
)

const (
	// Without a connection for so long, the queue is empty and handshakes that
	// were under way are complete: a round trip, with room.
	quiet    = 200 * time.Millisecond
	maxDrain = 2 * time.Second
)

// deadliner is a listener whose Accept can be given an end.
type deadliner interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

// drain turns new clients away (to another socket that overlaps, or with a
// refusal) and accepts those that the kernel has connected already: closing the
// socket would reset them.
func (k *Socket) drain() {
	ln, ok := k.ln.(deadliner)
	if !ok || k.handler.Load() == nil {
		return
	}
	divert(ln)
	_ = ln.SetDeadline(time.Now()) // wakes the accept loop, and ends it
	if a := k.lean.Load(); a != nil {
		a.wake()
	}
	k.serving.Lock()
	defer k.serving.Unlock()
	for end := time.Now().Add(maxDrain); time.Now().Before(end); {
		_ = ln.SetDeadline(time.Now().Add(quiet))
		nc, err := ln.Accept()
		if err != nil {
			return // the queue is empty, or there is nothing to be done
		}
		k.handle(nc)
	}
}

// unlink removes the file of a unix socket, unless it is another one's by now.
func (k *Socket) unlink() {
	if k.addr.Network == "unix" && k.inode != 0 && inodeOf(k.addr.Host) == k.inode {
		_ = os.Remove(k.addr.Host)
	}
}
