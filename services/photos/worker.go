package photos

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/services/photos/store"
)

const (
	batch      = 16               // pictures that the worker reads at a time
	retryEvery = time.Minute      // what failed is tried again
	sweepEvery = time.Hour        // unattached pictures
	orphanTime = 24 * time.Hour   // orphaned bytes
	looseLife  = 24 * time.Hour   // of a picture that nobody posts
	orphanLife = time.Hour        // of bytes without a row: longer than any upload takes
	workTime   = 10 * time.Minute // for one picture, waiting for its turn included
)

// work is the worker's goroutine: it makes the sizes that uploads did not wait
// for, one picture at a time, erases what deleted accounts leave, and sweeps.
// What is to do stands in the rows, so nothing is lost with the process, and a
// wake-up that comes while it is busy is enough for any number.
func (p *Photos) work(ctx context.Context) {
	retry, sweep := time.NewTicker(retryEvery), time.NewTicker(sweepEvery)
	defer retry.Stop()
	defer sweep.Stop()
	p.sweep(ctx)
	for {
		p.followAccounts(ctx)
		p.finish(ctx)
		select {
		case <-p.wake:
		case <-retry.C:
		case <-sweep.C:
			p.sweep(ctx)
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
		p.sweepOrphans(ctx)
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

// followAccounts erases what belonged to accounts that were deleted since it
// looked last, also while the service was not open.
func (p *Photos) followAccounts(ctx context.Context) {
	err := p.people.CatchUp(ctx, p.label, func(ctx context.Context, c account.Change) error {
		if c.Kind != account.Deleted {
			return nil // sessions, suspensions and blocks are asked for each time
		}
		return p.erase(ctx, c.UserID)
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

// finish completes the ladder of every picture that lacks sizes. One that fails
// for a passing reason stays for the next round.
func (p *Photos) finish(ctx context.Context) {
	for after := int64(0); ; {
		list, err := p.store.IncompleteMedia(ctx, after, batch)
		if err != nil {
			p.complain(ctx, err, "the worker cannot read what is to do")
			return
		}
		if len(list) == 0 {
			return
		}
		for _, m := range list {
			after = m.ID
			if err := p.complete(ctx, m); err != nil {
				p.complain(ctx, err, "sizes of a picture are not made yet")
			}
		}
	}
}

func (p *Photos) complain(ctx context.Context, err error, msg string) {
	if ctx.Err() == nil {
		p.log.Warn().Err(err).Msg(msg)
	}
}

// hopeless are the errors that another try will not help.
var hopeless = []error{picture.ErrBroken, picture.ErrTooLarge, picture.ErrFormat, picture.ErrSlow, blob.ErrNotFound}

// complete makes the sizes that m lacks. A picture that cannot be decoded any
// more has all it will ever have.
func (p *Photos) complete(ctx context.Context, m store.Media) error {
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	made, err := p.missingSizes(ctx, m)
	lost := slices.ContainsFunc(hopeless, func(h error) bool { return errors.Is(err, h) })
	if err != nil && !lost {
		return err
	}
	p.keep.RLock()
	files, putErr := p.putSizes(ctx, made)
	if putErr == nil {
		putErr = p.store.AddSizes(ctx, m.ID, files, true)
	}
	p.keep.RUnlock()
	switch {
	case errors.Is(putErr, store.ErrNotFound):
		p.discard(store.Media{Sizes: files}) // deleted meanwhile
		return nil
	case lost && putErr == nil:
		p.log.Warn().Err(err).Int64("media", m.ID).Msg("a picture keeps the sizes that it has")
	}
	return putErr
}

func (p *Photos) missingSizes(ctx context.Context, m store.Media) ([]picture.Variant, error) {
	id, err := blob.ParseID(m.Original.Hash)
	if err != nil {
		return nil, err
	}
	f, err := p.blobs.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	have := map[int]bool{}
	for _, s := range m.Sizes {
		have[s.Width] = true
	}
	var specs []picture.Spec
	for _, s := range picture.LadderSpecs(picture.Info{Width: m.Original.Width, Height: m.Original.Height}, ladder...) {
		if !have[s.Width] {
			specs = append(specs, s)
		}
	}
	res, err := p.pictures.Make(ctx, io.NewSectionReader(f, 0, m.Original.Bytes), picture.Job{Specs: specs, Limits: picture.Limits{Pixels: matrixLimit}})
	return res.Variants, err
}

// sweep removes pictures that nobody posted within a day.
func (p *Photos) sweep(ctx context.Context) {
	for {
		gone, err := p.store.Sweep(ctx, time.Now().Add(-looseLife), batch)
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
	_, err := p.blobs.Sweep(ctx, time.Now().Add(-orphanLife), func(id blob.ID) (bool, error) {
		return p.store.Referenced(ctx, id.String())
	})
	if err != nil {
		p.complain(ctx, err, "orphaned bytes are not swept yet")
	}
}
