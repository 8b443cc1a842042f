package photos

import (
	"context"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/services/photos/store"
)

const (
	batch      = 16             // pictures that the worker reads at a time
	retryEvery = time.Minute    // what failed is tried again
	sweepEvery = time.Hour      // unattached pictures
	orphanTime = 24 * time.Hour // orphaned bytes
	looseLife  = 24 * time.Hour // of a picture that nobody posts
	orphanLife = time.Hour      // of bytes without a row: longer than any upload takes
	// sharedLife is orphanLife where several nodes put bytes.
	sharedLife = 24 * time.Hour
)

// work is the goroutine that keeps house: it erases what deleted accounts leave,
// ends stories and uploads when their time has come, and sweeps. What is to do
// stands in the store, so nothing is lost with the process. One node does it.
func (p *Photos) work(ctx context.Context) {
	retry, sweep := time.NewTicker(retryEvery), time.NewTicker(sweepEvery)
	defer retry.Stop()
	defer sweep.Stop()
	p.turn(ctx, "sweep", sweepEvery/2, p.sweep)
	for {
		p.turn(ctx, "follow", 0, func(ctx context.Context) {
			p.followAccounts(ctx)
			p.expire(ctx)
		})
		select {
		case <-p.wake:
		case <-retry.C:
		case <-sweep.C:
			p.turn(ctx, "sweep", sweepEvery/2, p.sweep)
		case <-ctx.Done():
			return
		}
	}
}

// workOrphans sweeps orphans now and once a day, beside the worker, because it
// reads every name in the blob store.
func (p *Photos) workOrphans(ctx context.Context) {
	tick := time.NewTicker(orphanTime)
	defer tick.Stop()
	for {
		p.turn(ctx, "orphans", orphanTime/2, p.sweepOrphans)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *Photos) wakeWorker() {
	select {
	case p.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// followAccounts acts on what happened to accounts since it looked last, also
// while the service was not open.
func (p *Photos) followAccounts(ctx context.Context) {
	err := p.people.CatchUp(ctx, p.label, func(ctx context.Context, c account.Change) error {
		return p.actOn(ctx, c)
	})
	if err != nil {
		p.complain(ctx, err, "changes of accounts are not followed yet")
	}
}

func (p *Photos) erase(ctx context.Context, user int64) error {
	for more := true; more; {
		var gone []store.Media
		var err error
		if gone, more, err = p.store.Erase(ctx, user, batch); err != nil {
			return err
		}
		p.discard(gone...)
	}
	return nil
}

func (p *Photos) complain(ctx context.Context, err error, msg string) {
	if ctx.Err() == nil {
		p.log.Warn().Err(err).Msg(msg)
	}
}

// expire removes stories and uploads whose time has come; they are hidden by then.
func (p *Photos) expire(ctx context.Context) {
	now := p.clock.Now()
	for {
		gone, err := p.store.ExpireStories(ctx, now, batch)
		if err != nil {
			p.complain(ctx, err, "stories are not ended yet")
			break
		}
		p.discard(gone...)
		if len(gone) < batch {
			break
		}
	}
	p.expireUploads(ctx, now)
}

// sweep removes pictures that nobody posted within a day.
func (p *Photos) sweep(ctx context.Context) {
	for {
		gone, err := p.store.Sweep(ctx, p.clock.Now().Add(-looseLife), batch)
		if err != nil {
			p.complain(ctx, err, "pictures that nobody posted are not swept yet")
			return
		}
		p.discard(gone...)
		if len(gone) < batch {
			return
		}
	}
}

// sweepOrphans removes bytes that no row needs: of uploads that were cut off
// between the bytes and the row, and what discard failed to delete.
func (p *Photos) sweepOrphans(ctx context.Context) {
	life := orphanLife
	if p.store.Shared() {
		life = sharedLife
	}
	_, err := p.blobs.Sweep(ctx, p.clock.Now().Add(-life), func(id blob.ID) (bool, error) {
		return p.store.Referenced(ctx, id.String())
	})
	if err != nil {
		p.complain(ctx, err, "orphaned bytes are not swept yet")
	}
}
