package chat

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/durable"
)

const (
	indexEvery  = 2 * time.Second // while there is something to index
	retryEvery  = time.Minute     // what failed is tried again
	sweepEvery  = time.Hour
	orphanEvery = 24 * time.Hour
	looseLife   = 24 * time.Hour // of an attachment that is in no message
	orphanLife  = 24 * time.Hour // of bytes without a record: longer than an upload takes
)

// openBlobs opens what keeps the bytes of attachments.
func (c *Chat) openBlobs() error {
	c.spoolDir = filepath.Join(c.env.Dir, "tmp")
	if err := os.RemoveAll(c.spoolDir); err != nil {
		return fmt.Errorf("empty folder: %w", err)
	}
	if err := durable.MkdirAll(c.spoolDir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	blobs, err := c.storage.Blobs(c.place())
	if err != nil {
		return err
	}
	c.blobs = blobs
	return nil
}

// upkeep is the worker's goroutine: it indexes, erases what deleted accounts and
// groups leave, and removes bytes that nothing holds. What is to do stands in
// the store, so nothing is lost with the process. One of several nodes does it.
func (c *Chat) upkeep(ctx context.Context) {
	index, retry, sweep := time.NewTicker(indexEvery), time.NewTicker(retryEvery), time.NewTicker(sweepEvery)
	defer index.Stop()
	defer retry.Stop()
	defer sweep.Stop()
	orphans, indexed := time.Time{}, int64(-1)
	for {
		if c.leads(ctx) {
			c.followAccounts(ctx)
			c.tidy(ctx, "erase", c.store.Erasing)
			c.dropLoose(ctx)
			if now := time.Now(); now.Sub(orphans) > orphanEvery {
				orphans = now
				c.sweep(ctx)
			}
		}
		for again := true; again; {
			select {
			case <-index.C:
				if !c.leads(ctx) {
					continue
				}
				if at := c.store.Cursor(); at != indexed { // an idle chat stays idle
					indexed = at
					c.tidy(ctx, "index", c.store.Index)
				}
				c.tidy(ctx, "scrub", func(ctx context.Context) (bool, error) { return false, c.store.Scrub(ctx) })
			case <-c.wake:
				again = false
			case <-retry.C:
				again = false
			case <-sweep.C:
				if c.leads(ctx) {
					c.collect(ctx)
				}
				again = false
			case <-ctx.Done():
				return
			}
		}
	}
}

// leads says whether the worker of this node has the work.
func (c *Chat) leads(ctx context.Context) bool {
	leads, err := c.store.Lead(ctx)
	if err != nil {
		c.trouble(ctx, "lead", err)
	}
	return leads
}

func (c *Chat) wakeWorker() {
	select {
	case c.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// tidy does all pieces of something.
func (c *Chat) tidy(ctx context.Context, what string, piece func(context.Context) (bool, error)) {
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = piece(ctx); err != nil {
			c.trouble(ctx, what, err)
			return
		}
	}
}

// trouble logs what the worker could not do; it tries again.
func (c *Chat) trouble(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		c.failures.Error().Err(err).Str("task", what).Msg("upkeep failed; it is tried again")
	}
}

// followAccounts queues the erasure of accounts that were deleted, also while
// the service was not open.
func (c *Chat) followAccounts(ctx context.Context) {
	err := c.accounts.CatchUp(ctx, c.env.Label(), func(ctx context.Context, ch account.Change) error {
		if ch.Kind != account.Deleted {
			return nil // sessions, suspensions and blocks are asked for each time
		}
		return c.store.Erase(ctx, ch.UserID)
	})
	if err != nil {
		c.trouble(ctx, "follow accounts", err)
	}
}

func (c *Chat) collect(ctx context.Context) {
	c.tidy(ctx, "collect", func(ctx context.Context) (bool, error) {
		return c.store.Collect(ctx, c.clock.Now().Add(-looseLife))
	})
	c.dropLoose(ctx)
}

// dropLoose removes bytes whose last record went.
func (c *Chat) dropLoose(ctx context.Context) {
	for ctx.Err() == nil {
		hashes, err := c.store.Loose(ctx, 100)
		if err != nil {
			c.trouble(ctx, "remove attachments", err)
		}
		if err != nil || len(hashes) == 0 {
			return
		}
		for _, h := range hashes {
			if err := c.drop(ctx, h); err != nil {
				c.trouble(ctx, "remove attachments", err)
				return
			}
		}
	}
}

// drop removes bytes, unless somebody has sent the same again meanwhile. It takes
// them out of the queue before it looks: whose last record goes after the look
// queues them again. What a crash leaves between the two is swept.
func (c *Chat) drop(ctx context.Context, hash string) error {
	c.dropping.Lock()
	defer c.dropping.Unlock()
	if err := c.store.Dropped(ctx, hash); err != nil {
		return err
	}
	held, err := c.store.Holds(ctx, hash)
	if id, perr := blob.ParseID(hash); perr == nil && err == nil && !held {
		err = c.blobs.Delete(ctx, id)
	}
	return err
}

// sweep removes bytes that no record is of: crashes and refused uploads leave
// them.
func (c *Chat) sweep(ctx context.Context) {
	swept, err := c.blobs.Sweep(ctx, c.clock.Now().Add(-orphanLife), func(id blob.ID) (bool, error) {
		return c.store.Holds(ctx, id.String())
	})
	if err != nil {
		c.trouble(ctx, "sweep", err)
	}
	if swept.Blobs > 0 {
		c.log.Info().Int("files", swept.Blobs).Int64("bytes", swept.Bytes).Msg("removed attachments that nobody holds")
	}
}
