package chat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

// How often it is looked whether other nodes have written: what they say about it
// may be lost.
const (
	lookEvery = time.Second
	lookOften = 200 * time.Millisecond // while they cannot say it
	lookTime  = 5 * time.Second

	looksFailed = 2 // in a row, before it is said
)

// topic is the name of something on the bus that only nodes of this chat know,
// because several may share a server.
func (c *Chat) topic(what string) string {
	sum := sha256.Sum256(append([]byte("bus\n"), c.store.Key()...))
	return "chat." + hex.EncodeToString(sum[:12]) + "." + what
}

// stands says where the log is, and whether a client can go on from there. Where
// nothing is pushed to him, or other nodes told him more than this one knows, the
// store is asked.
func (c *Chat) stands(ctx context.Context, from *resumption, pushed bool) (at int64, good bool, err error) {
	at = c.store.Cursor()
	if !pushed || from != nil && from.cursor > at && from.epoch == c.store.Epoch() {
		if at, err = c.store.Look(ctx); err != nil {
			return 0, false, fmt.Errorf("find out where the log is: %w", err)
		}
	}
	return at, from != nil && from.epoch == c.store.Epoch() && from.cursor >= 0 && from.cursor <= at, nil
}

// reach waits until the hub is at a position that the store has reached. Word of
// other nodes is not waited for for long.
func (c *Chat) reach(ctx context.Context, cursor int64) bool {
	if c.store.Alone() {
		return c.hub.reach(ctx, cursor)
	}
	soon, cancel := context.WithTimeout(ctx, 2*reorderTime)
	defer cancel()
	if !c.hub.reach(soon, cursor) {
		c.hub.skip(cursor)
	}
	return ctx.Err() == nil
}

// skip moves the hub on: what is up to a position is read from the store.
func (h *hub) skip(to int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if to > h.visible {
		h.lagLocked(to)
	}
}

// followLog finds out what other nodes have written and this one was not told of.
// The log is behind where it was at the look before only where that was lost.
func (c *Chat) followLog(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	was, failed, known := int64(0), 0, int64(0)
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		c.hub.skip(was)
		lctx, cancel := context.WithTimeout(ctx, lookTime)
		at, err := c.store.Look(lctx)
		cancel()
		switch {
		case err == nil:
			was, failed = at, 0
			c.unseen.Store(nil)
		case ctx.Err() == nil:
			if failed++; failed == 1 {
				known = c.hub.position()
			}
			if failed == looksFailed {
				c.unseen.Store(&err)
				c.log.Error().Err(err).Msg("what other nodes have written is not known; it is tried again")
			}
			if failed >= looksFailed && c.cutOff(known) {
				c.sendAway()
			}
		}
		if c.wire.Others() && c.wire.Healthy() {
			t.Reset(lookEvery)
		} else {
			t.Reset(lookOften)
		}
	}
}

// cutOff says of a node that cannot read the log whether its clients do better
// elsewhere: others go on writing beyond the position that was known when it began,
// or it hears nothing of them either. Where the database is away for all, clients
// stay where they are.
func (c *Chat) cutOff(known int64) bool {
	return c.wire.Others() && (!c.wire.Healthy() || c.hub.position() > known)
}

// renewed is called when the log has another epoch. Clients come again and are
// told to begin anew.
func (c *Chat) renewed() { c.sendAway() }

// sendAway has all clients come again, here or at another node.
func (c *Chat) sendAway() {
	if !c.begin() {
		return
	}
	go func() {
		defer c.work.Done()
		for _, s := range c.everySession() {
			s.close(closeResume, "resume again")
		}
	}()
}

// committed hands on what the store has committed.
func (c *Chat) committed(after int64, events []store.Event, cursor int64) {
	c.bus.Publish(Notice{Prev: after, Cursor: cursor, Events: events})
}
