package chat

import (
	"context"
	"time"
)

// SetPresenceGrace changes after how long somebody without a connection is
// offline.
func (c *Chat) SetPresenceGrace(d time.Duration) { c.presence.grace = d }

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

// LoseNotices has the bus lose what lost picks.
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
