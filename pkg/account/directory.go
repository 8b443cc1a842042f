package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/ratelimit"
)

// Registration says who may sign up.
type Registration string

const (
	Closed Registration = "closed" // nobody; also the zero Registration
	ByCode Registration = "invite" // who has an invite
	Open   Registration = "open"   // everybody
)

// Options say what a Directory works with.
type Options struct {
	// Open opens the store, when it is first needed. Only the first Configure
	// counts for it.
	Open         func(ctx context.Context) (Store, error)
	Log          zerolog.Logger
	Registration Registration
	Limits       Limits
}

// Directory is what services know of accounts. It is made empty, so that kinds
// can hold its pointer before there is a configuration, and works from
// Configure to Close; outside of that its methods return ErrNotOpen. They may be
// called concurrently. Whatever they change is on disk when they return.
//
// Limits hold over all nodes that have the same accounts, as far as they hear from
// each other. Addresses: failed sign-ins count per username and address, sign-ups and apps
// per address (IPv6: per /64). Loopback peers and the zero Addr are exempt from
// the latter two, as from all limits per address.
type Directory struct {
	hash     *hasher
	cache    *cache
	blocks   *blockCache
	seen     *seen
	tries    *ratelimit.Window[try]
	signUps  *ratelimit.Window[netip.Prefix]
	appsFrom *ratelimit.Window[netip.Prefix]

	mu       sync.Mutex
	opt      Options              // guarded by mu
	state    state                // guarded by mu
	store    Store                // guarded by mu; set while state is opened
	watchers map[int]func(Change) // guarded by watchMu
	nextID   int                  // guarded by watchMu
	watchMu  sync.Mutex
}

type state int

const (
	empty state = iota
	configured
	opened
	closed
)

type try struct {
	username string
	from     netip.Prefix
}

// New returns an empty Directory.
func New() *Directory {
	l := Limits{}.orDefaults()
	d := &Directory{
		hash:     newHasher(),
		cache:    newCache(),
		blocks:   newBlockCache(),
		tries:    ratelimit.NewWindow[try](l.FailedSignIns, triesTime),
		signUps:  ratelimit.NewWindow[netip.Prefix](l.SignUps, signUpTime),
		appsFrom: ratelimit.NewWindow[netip.Prefix](l.AppsFrom, appTime),
		watchers: map[int]func(Change){},
	}
	d.seen = newSeen(d)
	return d
}

// Configure makes the Directory work, or changes who may sign up and the limits.
// It opens nothing.
func (d *Directory) Configure(o Options) {
	o.Limits = o.Limits.orDefaults()
	d.tries.SetLimit(o.Limits.FailedSignIns)
	d.signUps.SetLimit(o.Limits.SignUps)
	d.appsFrom.SetLimit(o.Limits.AppsFrom)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == empty {
		d.state, d.opt = configured, o
		return
	}
	d.opt.Log, d.opt.Registration, d.opt.Limits = o.Log, o.Registration, o.Limits
}

// Registration says who may sign up now.
func (d *Directory) Registration() Registration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opt.Registration == "" {
		return Closed
	}
	return d.opt.Registration
}

// Ready opens the store if it is not open yet. Methods that need it do the same.
func (d *Directory) Ready(ctx context.Context) error {
	_, err := d.open(ctx)
	return err
}

func (d *Directory) open(ctx context.Context) (Store, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.state {
	case opened:
		return d.store, nil
	case configured:
	default:
		return nil, ErrNotOpen
	}
	if d.opt.Open == nil {
		return nil, ErrNotOpen
	}
	s, err := d.opt.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	s.Notify(d.changed)
	if c, ok := s.(Carrier); ok {
		c.Hear(d.heard)
	}
	d.state, d.store = opened, s
	return s, nil
}

// Close closes the store. The Directory does not work afterwards.
func (d *Directory) Close() error {
	flushErr := d.seen.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.store
	d.state, d.store = closed, nil
	if s == nil {
		return flushErr
	}
	return errors.Join(flushErr, s.Close())
}

// Watch has fn called with each change after it is durable, in the order of the
// log, and before the method that made it returns. fn must not block, nor call
// the Directory: it runs in the store's only writing goroutine. A call may still
// be under way when stop returns. For what happened while a service was not open
// there is CatchUp.
func (d *Directory) Watch(fn func(Change)) (stop func()) {
	d.watchMu.Lock()
	defer d.watchMu.Unlock()
	id := d.nextID
	d.nextID++
	d.watchers[id] = fn
	return func() {
		d.watchMu.Lock()
		defer d.watchMu.Unlock()
		delete(d.watchers, id)
	}
}

// changed is the store's Notify: the caches first, so that who hears of a change
// and asks gets the new state.
func (d *Directory) changed(c Change) {
	d.cache.drop(c)
	d.blocks.drop(c)
	d.watchMu.Lock()
	fns := make([]func(Change), 0, len(d.watchers))
	for id := range d.nextID {
		if fn, ok := d.watchers[id]; ok {
			fns = append(fns, fn)
		}
	}
	d.watchMu.Unlock()
	for _, fn := range fns {
		fn(c)
	}
}

// Changes returns up to limit entries of the log after position after, in order.
// CatchUp goes through them for a service.
func (d *Directory) Changes(ctx context.Context, after int64, limit int) ([]Change, error) {
	s, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	return s.Changes(ctx, after, clamp(limit))
}

// LastChange is the position of the last change, where a service that starts
// from nothing begins.
func (d *Directory) LastChange(ctx context.Context) (int64, error) {
	s, err := d.open(ctx)
	if err != nil {
		return 0, err
	}
	return s.LastChange(ctx)
}

// clamp bounds how many rows a call returns.
func clamp(limit int) int {
	if limit <= 0 {
		return 50
	}
	return min(limit, 500)
}

// now has the precision that stores keep.
func now() time.Time { return time.UnixMilli(time.Now().UnixMilli()).UTC() }

// newSecret returns prefix and n random bytes in base64url.
func newSecret(prefix string, n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// hashOf is how tokens, secrets and codes are kept. They are random and long, so
// a fast hash will do.
func hashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }
