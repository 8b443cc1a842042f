package chat

import (
	"context"
	"errors"
	"time"

	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/steady"
	"github.com/porticod/portico/services/chat/store"
	"github.com/porticod/portico/services/chat/store/sqlstore"
)

// SetPresenceGrace changes after how long somebody without a connection is
// offline.
func (c *Chat) SetPresenceGrace(d time.Duration) {
	c.presence.mu.Lock()
	defer c.presence.mu.Unlock()
	c.presence.grace = d
}

// HandedOut says that who is connected was given all that is stored.
func (c *Chat) HandedOut() bool { return c.hub.position() >= c.store.Cursor() }

// TakePresence is what Open does with what Freeze kept.
func (c *Chat) TakePresence() error { return c.takePresence() }

// OnlineFile is where Freeze keeps who is online.
func (c *Chat) OnlineFile() string { return c.onlineFile() }

// Unseen says whether it is not known what other nodes have written.
func (c *Chat) Unseen() bool { return c.unseen.Load() != nil }

// Collect removes what is in no message and older than a moment.
func (c *Chat) Collect(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = c.store.Collect(ctx, time.Now().Add(time.Second)); err != nil {
			return err
		}
	}
	c.dropLoose(ctx)
	return nil
}

// LoseNotices has the bus lose what lost picks. It is called before anybody connects.
func (c *Chat) LoseNotices(lost func() bool) {
	inner := c.bus
	c.bus = lossy{inner, lost}
}

type lossy struct {
	Bus
	lost func() bool
}

func (b lossy) Publish(n Notice) {
	if n.Signal != nil || !b.lost() {
		b.Bus.Publish(n)
	}
}

// FailSends has the stores of services fail as fail says, asked before and after
// a message was stored.
func (t Type) FailSends(fail func(after bool) error) Type {
	t.between = &between{store: func(s store.Store) store.Store { return failing{s, fail} }}
	return t
}

// OnNode has services keep what they keep in a store that others have open, too.
func (t Type) OnNode(open func(context.Context, sqlstore.Options) (*sqlstore.Store, error), wire bus.Bus) Type {
	t.between = &between{open: open, wire: wire}
	return t
}

// Left is how much a user may send and call at the moment.
func (c *Chat) Left(user int64) (sends, calls float64) {
	left := func(l *userLimits) float64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.of(user).Tokens()
	}
	return left(c.sends), left(c.calls)
}

// UploadsElsewhere is how many uploads of a user are on their way to other nodes.
func (c *Chat) UploadsElsewhere(user int64) int { return c.uploads.Elsewhere(user) }

// AfterHolds has the stores of services call fn each time after it was asked
// whether somebody holds bytes.
func (t Type) AfterHolds(fn func(store.Store)) Type {
	t.between = &between{store: func(s store.Store) store.Store { return looking{s, fn} }}
	return t
}

type looking struct {
	store.Store
	after func(store.Store)
}

func (l looking) Holds(ctx context.Context, hash string) (bool, error) {
	held, err := l.Store.Holds(ctx, hash)
	l.after(l.Store)
	return held, err
}

type failing struct {
	store.Store
	fail func(after bool) error
}

func (f failing) Send(ctx context.Context, drafts []store.Draft) ([]store.Sent, error) {
	if err := f.fail(false); err != nil {
		return nil, err
	}
	sent, err := f.Store.Send(ctx, drafts)
	if err := f.fail(true); err != nil {
		return nil, err
	}
	return sent, err
}

func (f failing) Check() error { return errors.Join(f.fail(false), f.fail(true), f.Store.Check()) }

// Tidied is what the worker does once an hour and once a day, by a clock.
func (c *Chat) Tidied(ctx context.Context, clock func() time.Time) func() {
	by := &Chat{store: c.store, blobs: c.blobs, log: c.log, failures: c.failures, clock: steady.Clock{Read: clock}}
	return func() {
		by.collect(ctx)
		by.sweep(ctx)
	}
}
