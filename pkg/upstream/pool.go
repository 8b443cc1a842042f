// Package upstream chooses among the servers that a service passes connections
// or requests on to, and remembers which of them work. It opens no connection
// itself and speaks no protocol: who uses it reports how it went, and brings the
// check that shows whether a server answers.
package upstream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Why there is no upstream to be had.
var (
	// ErrDown says that every upstream, or every one that was not tried yet, is
	// down.
	ErrDown = errors.New("no upstream is up")
	// ErrTried says that every upstream was tried already.
	ErrTried = errors.New("every upstream was tried")
	// ErrBusy says that every upstream has as many connections as it may have,
	// and that the queue is full or took too long.
	ErrBusy = errors.New("every upstream is busy")
)

// A Target is an upstream as it is configured.
type Target struct {
	Address
	Weight int // at least 1
}

// Options are what a pool goes by.
type Options struct {
	Targets []Target // each address once
	Balance Balance
	Passive Passive
	Active  *Active // nil: no checks

	MaxLeases int           // of each upstream; 0: no bound
	Queue     int           // how many may wait for a lease where MaxLeases is reached
	QueueTime time.Duration // and for how long
}

// Passive is how the use of upstreams tells which are down. With a single
// upstream it only shows in states: there is nobody to turn to instead.
type Passive struct {
	Fails  int           // so many failures without a success in between
	Within time.Duration // all within so long
	Down   time.Duration // make it down for so long; then one use tries it
}

// Active is how checks tell which upstreams are down.
type Active struct {
	Interval, Timeout time.Duration
	Rise, Fall        int // so many checks in a row make it up, or down
	// Check shows whether the upstream works. It must end with its context.
	Check func(context.Context, Address) error
}

// An Upstream is one server of a pool.
type Upstream struct {
	Target
	// ID stands for the address where that must not be shown, as in a cookie.
	// It is the same in every process.
	ID   string
	seed uint64

	// What follows is guarded by the pool's mutex.

	busy int // leases
	turn int // see inTurn

	failing  bool // by active checks
	streak   int  // of checks with the same result; positive: good ones, since its use failed
	broken   bool // by passive ones
	until    time.Time
	trials   int // leases taken while it was broken
	fails    int
	firstAt  time.Time // of fails
	endCheck context.CancelFunc
}

// up is what is shown and reported; a broken one is down until a trial succeeds.
func (u *Upstream) up() bool { return !u.failing && !u.broken }

// A Change is an upstream that went up or down.
type Change struct {
	Upstream *Upstream
	Up       bool
	Err      error // why it went down
	Left     int   // how many are up now
}

// A Pool is the upstreams of one service. Its methods are safe for concurrent
// use.
type Pool struct {
	ctx      context.Context
	cancel   context.CancelFunc
	onChange func(Change)
	checks   sync.WaitGroup

	mu      sync.Mutex // guards the rest
	opt     Options
	all     []*Upstream
	scratch []*Upstream // of pick
	waiting []*waiter   // first come, first served; at most opt.Queue
	changes []Change    // to be reported when mu is free
	closed  bool        // no check begins any more
}

// New makes a pool, whose upstreams are thought to be up. onChange is told when
// one goes up or down, from whatever goroutine found out; it must not block. The
// caller closes the pool.
func New(opt Options, onChange func(Change)) *Pool {
	p := &Pool{onChange: onChange}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.Update(opt)
	return p
}

// Update makes the pool go by opt. What is known of an upstream whose address
// stays is kept, and so are its leases.
func (p *Pool) Update(opt Options) {
	p.mu.Lock()
	defer p.unlock()
	old := p.all
	p.opt, p.all = opt, make([]*Upstream, 0, len(opt.Targets))
	for _, t := range opt.Targets {
		i := slices.IndexFunc(old, func(u *Upstream) bool { return u.Address == t.Address })
		if i < 0 {
			u := &Upstream{Target: t}
			u.ID, u.seed = identify(t.Address)
			p.all = append(p.all, u)
			continue
		}
		old[i].Weight, old[i].turn = t.Weight, 0
		p.all = append(p.all, old[i])
	}
	for _, u := range old {
		u.stopCheck()
	}
	for _, u := range p.all {
		if opt.Active == nil {
			u.failing, u.streak = false, 0 // nobody would ever find out that it is up again
			continue
		}
		p.startCheck(u, *opt.Active)
	}
	p.serveWaiting()
}

// Close ends the checks. Leases may still be released.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.checks.Wait()
}

// unlock releases mu and reports what changed while it was held.
func (p *Pool) unlock() {
	changes := p.changes
	p.changes = nil
	p.mu.Unlock()
	for _, c := range changes {
		p.onChange(c)
	}
}

// change runs f, which may change u's health, and notes whether u went up or
// down by it.
func (p *Pool) change(u *Upstream, err error, f func()) {
	before := u.up()
	f()
	if u.up() == before || !slices.Contains(p.all, u) {
		return
	}
	up, _ := p.count()
	p.changes = append(p.changes, Change{Upstream: u, Up: u.up(), Err: err, Left: up})
	p.serveWaiting()
}

func (p *Pool) count() (up, all int) {
	for _, u := range p.all {
		if u.up() {
			up++
		}
	}
	return up, len(p.all)
}

// Stats are numbers for metrics.
type Stats struct{ Up, All, Leases, Waiting int }

// Stats counts.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.unlock()
	s := Stats{Waiting: len(p.waiting)}
	s.Up, s.All = p.count()
	for _, u := range p.all {
		s.Leases += u.busy
	}
	return s
}

// Ready returns nil if an upstream is up. That one may be tried does not make it so:
// one that failed is down until something succeeded.
func (p *Pool) Ready() error {
	p.mu.Lock()
	defer p.unlock()
	if slices.ContainsFunc(p.all, (*Upstream).up) {
		return nil
	}
	return ErrDown
}
