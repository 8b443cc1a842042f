package postgres

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// Where a server did not answer, none is waited for as long as else: they are tried
// all the same, but shortly, so that of several the next has its turn, and who asks
// for something that cannot be had is soon told.
const (
	shortTime  = time.Second
	silentFor  = 30 * time.Second // so long that is remembered
	maxSilence = 100              // addresses that are remembered
)

// A dialing connects to servers, and knows which did not answer.
type dialing struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu     sync.Mutex
	silent map[string]time.Time // when last; guarded by mu
}

func dialer() *dialing {
	return &dialing{dial: netDialer().DialContext, silent: map[string]time.Time{}}
}

// DialContext is net.Dialer's.
func (d *dialing) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.hurries() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, shortTime)
		defer cancel()
	}
	c, err := d.dial(ctx, network, addr)
	d.note(addr, err)
	if err != nil {
		return nil, err
	}
	return &watched{Conn: c, ended: func(err error) { d.note(addr, err) }}, nil
}

// A watched connection notes how it ended, as far as the server's silence ended it.
type watched struct {
	net.Conn
	ended func(error)
}

// Read implements net.Conn.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if errors.Is(err, syscall.ETIMEDOUT) { // not a deadline
		w.ended(err)
	}
	return n, err
}

// Write implements net.Conn.
func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if errors.Is(err, syscall.ETIMEDOUT) {
		w.ended(err)
	}
	return n, err
}

// hurries says whether a server did not answer a short while ago.
func (d *dialing) hurries() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, last := range d.silent {
		if time.Since(last) < silentFor {
			return true
		}
	}
	return false
}

// note notes whether a server answered, be it that nobody is there.
func (d *dialing) note(addr string, err error) {
	var ne net.Error
	d.mu.Lock()
	defer d.mu.Unlock()
	if !errors.As(err, &ne) || !ne.Timeout() {
		delete(d.silent, addr)
		return
	}
	if len(d.silent) >= maxSilence {
		clear(d.silent)
	}
	d.silent[addr] = time.Now()
}
