package photos

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/services/photos/store"
)

const (
	workTime   = 10 * time.Minute // for one picture, waiting for its turn included
	keepTime   = 5 * time.Second  // to store what was made of it
	firstRetry = 10 * time.Second // after the first failure; twice as long after each other one
	lastRetry  = store.MaxJobDelay
	maxTries   = 16 // then a job is given up: most of half a day after the first
	idleLook   = time.Minute
	awayLook   = time.Second // while the database is away
)

// A lane is a goroutine that does the jobs of some kinds, one at a time, the most
// urgent first. What is to do stands in the store, so nothing is lost with the
// process; what is done twice comes to the same.
type lane struct {
	kinds []store.JobKind
	wake  chan struct{} // there may be something to do
	busy  atomic.Int64  // the picture in work; 0: none
}

// newLanes keeps slow encoders from making people wait for sizes.
func newLanes() []*lane {
	return []*lane{
		{kinds: []store.JobKind{store.JobFirst, store.JobLadder}, wake: make(chan struct{}, 1)},
		{kinds: []store.JobKind{store.JobVariants}, wake: make(chan struct{}, 1)},
	}
}

// poke has the lane look; a wake-up that comes while it is busy is enough for
// any number.
func (l *lane) poke() { nudge(l.wake) }

// wakeJobs has the lanes of all nodes look.
func (p *Photos) wakeJobs() {
	p.pokeLanes()
	p.send(message{Jobs: true})
}

// pokeLanes is wakeJobs for this node.
func (p *Photos) pokeLanes() {
	for _, l := range p.lanes {
		l.poke()
	}
}

// workJobs is the goroutine of a lane.
func (p *Photos) workJobs(ctx context.Context, l *lane) {
	for ctx.Err() == nil {
		now := time.Now()
		j, ok, next, err := p.store.TakeJob(ctx, store.Take{Kinds: l.kinds, Node: p.node, Now: now, Until: now.Add(holdTime)})
		wait, wake := idleLook, l.wake
		if err != nil {
			p.complain(ctx, err, "the worker cannot read what is to do")
			wait, wake = awayLook, nil // others that work do not hurry who cannot
		}
		if ok {
			l.busy.Store(j.Media)
			wait = p.doJob(ctx, j)
			l.busy.Store(0)
		} else if !next.IsZero() {
			wait = min(max(time.Until(next), time.Millisecond), idleLook)
		}
		if wait == 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// doJob does a job, or puts it off where it failed. It returns how long the
// lane should pause: where not even the failure can be noted it would find the
// same job again and again.
func (p *Photos) doJob(ctx context.Context, j store.Job) (pause time.Duration) {
	began := time.Now()
	letGo := every(ctx, holdTime/3, func(ctx context.Context) { p.holdJob(ctx, j, holdTime) })
	err := p.runJob(ctx, j)
	letGo()
	if ctx.Err() != nil {
		return 0 // closing: it is done at the next start, or by another node
	}
	if errors.Is(err, picture.ErrBusy) {
		p.holdJob(ctx, j, 0)      // another node may have time
		return picture.RetryAfter // no failure of this picture
	}
	p.metrics.job(j.Kind, err, time.Since(began))
	if err == nil {
		return 0
	}
	again := time.Time{}
	if j.Attempts+1 < maxTries {
		again = time.Now().Add(min(firstRetry<<j.Attempts, lastRetry))
	}
	p.log.Warn().Err(err).Str("job", string(j.Kind)).Int64("media", j.Media).Int("attempts", j.Attempts+1).
		Bool("given_up", again.IsZero()).Msg("work on a picture failed")
	if err := p.store.PostponeJob(ctx, j.ID, again, err.Error()); err != nil {
		p.complain(ctx, err, "a failed job cannot be put off")
		return firstRetry
	}
	return 0
}

// holdJob keeps a job for this node. Where that fails another one may do it as
// well, which comes to the same.
func (p *Photos) holdJob(ctx context.Context, j store.Job, life time.Duration) {
	err := p.store.HoldJob(ctx, j.ID, p.node, time.Now().Add(life))
	if err != nil && !errors.Is(err, store.ErrNotFound) { // done, or another's by now
		p.complain(ctx, err, "others may do what this node is doing")
	}
}

// leaveJobs lets other nodes have what this one does not do any more.
func (p *Photos) leaveJobs() {
	if !p.store.Shared() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := p.store.LeaveJobs(ctx, p.node); err != nil {
		p.log.Warn().Err(err).Msg("other nodes wait for work of this one")
	}
}

// hopeless are the errors that another try will not help.
var hopeless = []error{picture.ErrBroken, picture.ErrTooLarge, picture.ErrFormat, picture.ErrSlow, blob.ErrNotFound}

func isHopeless(err error) bool {
	return slices.ContainsFunc(hopeless, func(h error) bool { return errors.Is(err, h) })
}

func (p *Photos) runJob(ctx context.Context, j store.Job) error {
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	m, err := p.store.Media(ctx, j.Media)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted meanwhile, and the job with it
	}
	if err != nil {
		return err
	}
	switch j.Kind {
	case store.JobFirst:
		return p.firstSizes(ctx, m)
	case store.JobLadder:
		return p.restOfLadder(ctx, m)
	case store.JobVariants:
		return p.variants(ctx, m)
	}
	return p.store.RemoveJob(ctx, j.ID) // of another version of this program
}

// steps are those of m's ladder that it lacks.
func steps(m store.Media) (missing []picture.Spec) {
	for _, s := range picture.LadderSpecs(picture.Info{Width: m.Original.Width, Height: m.Original.Height}, ladder...) {
		if !slices.ContainsFunc(m.Sizes, func(f store.File) bool { return f.Width == s.Width }) {
			missing = append(missing, s)
		}
	}
	return missing
}

// ladderLength is how many sizes m has in the end.
func ladderLength(m store.Media) int {
	return len(picture.LadderSpecs(picture.Info{Width: m.Original.Width, Height: m.Original.Height}, ladder...))
}

// firstSizes makes what an upload did not wait for because too many came at
// once. A picture that turns out to be broken is never shown.
func (p *Photos) firstSizes(ctx context.Context, m store.Media) error {
	missing := steps(m)
	first := missing[:min(firstSizes, len(missing))]
	made, err := p.makeOf(ctx, m, picture.Job{Specs: first, Blurhash: true, Priority: picture.Ladder})
	if isHopeless(err) {
		p.log.Warn().Err(err).Int64("media", m.ID).Msg("an accepted picture cannot be shown")
		return p.ignoreGone(p.store.SpoilMedia(ctx, m.ID, err.Error()))
	}
	if err != nil {
		return err
	}
	return p.keepSizes(ctx, m.ID, made.Variants, made.Blurhash, len(first) == len(missing))
}

// restOfLadder makes the larger sizes. A picture that cannot be decoded any more
// has all it will ever have.
func (p *Photos) restOfLadder(ctx context.Context, m store.Media) error {
	made, err := p.makeOf(ctx, m, picture.Job{Specs: steps(m), Priority: picture.Ladder})
	if isHopeless(err) {
		p.log.Warn().Err(err).Int64("media", m.ID).Msg("a picture keeps the sizes that it has")
	} else if err != nil {
		return err
	}
	return p.keepSizes(ctx, m.ID, made.Variants, "", true)
}

// keepSizes stores sizes, bytes first, and wakes who does what comes next.
func (p *Photos) keepSizes(ctx context.Context, id int64, made []picture.Variant, blurhash string, complete bool) error {
	return p.keepFiles(ctx, made, func(ctx context.Context, files []store.File) error {
		return p.store.AddSizes(ctx, id, files, blurhash, complete)
	})
}

// keepFiles stores files and then their rows; where the picture was deleted
// meanwhile the files go again. Once begun it is done, also where the service closes:
// files without rows would stay until the next sweep.
func (p *Photos) keepFiles(ctx context.Context, made []picture.Variant, rows func(context.Context, []store.File) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
	defer cancel()
	p.keep.RLock()
	files, err := p.putSizes(ctx, made)
	if err == nil {
		err = rows(ctx, files)
	}
	p.keep.RUnlock()
	if errors.Is(err, store.ErrNotFound) {
		p.discard(store.Media{Sizes: files})
		return nil
	}
	p.wakeJobs()
	return err
}

func (p *Photos) ignoreGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// makeOf makes a job of a stored picture.
func (p *Photos) makeOf(ctx context.Context, m store.Media, job picture.Job) (picture.Result, error) {
	if len(job.Specs) == 0 && !job.Blurhash {
		return picture.Result{}, nil
	}
	id, err := blob.ParseID(m.Original.Hash)
	if err != nil {
		return picture.Result{}, err
	}
	f, err := p.blobs.Open(ctx, id)
	if err != nil {
		return picture.Result{}, err
	}
	defer f.Close()
	job.Limits = picture.Limits{Pixels: matrixLimit}
	return p.pictures.Make(ctx, io.NewSectionReader(f, 0, m.Original.Bytes), job)
}

// variants makes WebP and AVIF of all sizes and keeps what is smaller. A picture
// that cannot be made so has what it has.
func (p *Photos) variants(ctx context.Context, m store.Media) error {
	var keep []picture.Variant
	best := map[int]int64{} // bytes of the smallest file of a width
	for _, f := range m.Sizes {
		if f.Type == picture.JPEG.MediaType() {
			best[f.Width] = f.Bytes
		}
	}
	for _, format := range []picture.Format{picture.WebP, picture.AVIF} {
		made, err := p.sizesAs(ctx, m, format)
		if err != nil {
			return err
		}
		for _, v := range made {
			if n := int64(len(v.Data)); n < best[v.Width] {
				best[v.Width] = n
				keep = append(keep, v)
			}
		}
	}
	return p.keepFiles(ctx, keep, func(ctx context.Context, files []store.File) error { return p.store.AddVariants(ctx, m.ID, files) })
}

// sizesAs makes the sizes of m that are JPEG in another format.
func (p *Photos) sizesAs(ctx context.Context, m store.Media, format picture.Format) ([]picture.Variant, error) {
	var specs []picture.Spec
	for _, f := range m.Sizes {
		if f.Type == picture.JPEG.MediaType() && (format != picture.AVIF || f.Width*f.Height <= picture.MaxAVIF) {
			specs = append(specs, picture.Spec{Width: f.Width, Format: format})
		}
	}
	if len(specs) == 0 || !format.Writable() {
		return nil, nil
	}
	made, err := p.makeOf(ctx, m, picture.Job{Specs: specs, Priority: picture.Background})
	if errors.Is(err, picture.ErrEncoder) || isHopeless(err) {
		p.log.Info().Err(err).Int64("media", m.ID).Stringer("format", format).Msg("a picture lacks a format")
		return nil, nil
	}
	return made.Variants, err
}
