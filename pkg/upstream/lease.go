package upstream

import (
	"context"
	"slices"
	"time"
)

// A Want says which upstream is wanted.
type Want struct {
	Key    string      // for Hash
	Prefer string      // ID of the upstream that is taken if it can be
	Not    []*Upstream // those that were tried
}

// A Lease is the use of an upstream, for a connection or a request. The pool
// must be told how it went, as soon as that is known, with OK or Fail; without
// either nothing is learned. Release ends it, and may be called more than once.
type Lease struct {
	Upstream *Upstream
	pool     *Pool
	trial    bool // taken while the upstream was broken
	judged   bool
	released bool
}

// Acquire leases an upstream. Where all that are up have as many leases as they
// may have, it waits its turn. It returns ErrDown, ErrTried or ErrBusy, or the
// cause of ctx.
func (p *Pool) Acquire(ctx context.Context, want Want) (*Lease, error) {
	p.mu.Lock()
	l, err := p.pick(want)
	if err != errFull { //nolint:errorlint // it never leaves the package
		p.unlock()
		return l, err
	}
	if len(p.waiting) >= p.opt.Queue {
		p.unlock()
		return nil, ErrBusy
	}
	w := &waiter{want: want, done: make(chan struct{})}
	p.waiting = append(p.waiting, w)
	timeout := p.opt.QueueTime
	p.unlock()
	return p.wait(ctx, w, timeout)
}

// A waiter waits for a lease.
type waiter struct {
	want Want
	done chan struct{} // closed when what follows is set
	l    *Lease
	err  error
}

func (p *Pool) wait(ctx context.Context, w *waiter, timeout time.Duration) (*Lease, error) {
	late := time.NewTimer(timeout)
	defer late.Stop()
	err := ErrBusy
	select {
	case <-w.done:
		return w.l, w.err
	case <-late.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	p.mu.Lock()
	i := slices.Index(p.waiting, w)
	if i < 0 { // served in this moment
		p.unlock()
		return w.l, w.err
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	p.unlock()
	return nil, err
}

// serveWaiting gives those who wait what has become free. mu is held.
func (p *Pool) serveWaiting() {
	left := p.waiting[:0]
	for _, w := range p.waiting {
		if w.l, w.err = p.pick(w.want); w.err == errFull { //nolint:errorlint // it never leaves the package
			left = append(left, w)
			continue
		}
		close(w.done)
	}
	clear(p.waiting[len(left):])
	p.waiting = left
}

type fullError struct{}

func (fullError) Error() string { return "full" }

var errFull = fullError{}

// pick chooses among the upstreams that are up and have room. mu is held.
func (p *Pool) pick(want Want) (*Lease, error) {
	candidates, tried, full := p.scratch[:0], 0, false
	for _, u := range p.all {
		switch {
		case slices.Contains(want.Not, u):
			tried++
		case !p.usable(u):
		case p.opt.MaxLeases > 0 && u.busy >= p.opt.MaxLeases:
			full = true
		case u.ID == want.Prefer:
			return p.lease(u), nil
		default:
			candidates = append(candidates, u)
		}
	}
	p.scratch = candidates
	switch {
	case len(candidates) > 0:
		return p.lease(choose(p.opt.Balance, candidates, want.Key)), nil
	case full:
		return nil, errFull
	case tried == len(p.all):
		return nil, ErrTried
	}
	return nil, ErrDown
}

// usable: a broken upstream is tried by one at a time when its time is over.
// mu is held.
func (p *Pool) usable(u *Upstream) bool {
	if u.failing {
		return false
	}
	return !u.broken || len(p.all) == 1 || u.trials == 0 && !time.Now().Before(u.until)
}

func (p *Pool) lease(u *Upstream) *Lease {
	u.busy++
	if u.broken {
		u.trials++
	}
	return &Lease{Upstream: u, pool: p, trial: u.broken}
}

// OK says that the upstream works.
func (l *Lease) OK() {
	p, u := l.pool, l.Upstream
	p.mu.Lock()
	defer p.unlock()
	if !l.judge() {
		return
	}
	u.fails = 0
	if l.trial {
		p.change(u, nil, func() { u.broken = false })
	}
}

// Fail says that the upstream does not work, because of err.
func (l *Lease) Fail(err error) {
	p, u := l.pool, l.Upstream
	p.mu.Lock()
	defer p.unlock()
	if !l.judge() {
		return
	}
	now := time.Now()
	by := p.opt.Passive
	if u.fails == 0 || now.Sub(u.firstAt) > by.Within {
		u.fails, u.firstAt = 0, now
	}
	u.fails++
	switch {
	case u.broken && !l.trial: // it began before
	case u.broken:
		u.until, u.streak = now.Add(by.Down), min(u.streak, 0)
	case by.Fails > 0 && u.fails >= by.Fails:
		u.until, u.streak = now.Add(by.Down), min(u.streak, 0)
		p.change(u, err, func() { u.broken = true })
	}
}

// judge notes that the lease has its verdict; false: it had one. mu is held.
func (l *Lease) judge() bool {
	if l.judged || l.released {
		return false
	}
	l.judged = true
	if l.trial {
		l.Upstream.trials--
	}
	return true
}

// Release ends the use of the upstream.
func (l *Lease) Release() {
	p := l.pool
	p.mu.Lock()
	defer p.unlock()
	if l.released {
		return
	}
	l.judge()
	l.released = true
	l.Upstream.busy--
	p.serveWaiting()
}
