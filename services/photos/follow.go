package photos

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// Where nodes share a database, those who listen are told of what stands there in the
// table of events, which was written with what it is about: nothing is missed that
// a node took before it died, and nothing comes twice. Word over the bus is a hint
// to look at once. Where nobody listens nobody looks.

const (
	lookEvery = time.Second
	lookOften = 200 * time.Millisecond // while others cannot say that there is something
	lookRest  = 20 * time.Millisecond  // between two looks at least, and between two hints
	lookTime  = 5 * time.Second
	lookPage  = 50 // rows of one look

	looksFailed = 2                // in a row, before it is said
	staleTime   = 10 * time.Second // without a bus: then streams end
)

// A follower is where those who listen here have got to.
type follower struct {
	ours  chan struct{} // of capacity 1: something happened here
	word  chan struct{} // of capacity 1: it is worth a look
	heard atomic.Int64  // hints of other nodes

	mu        sync.Mutex // held while listeners join, and while they are told
	at        int64      // what is up to here they were told; guarded by mu
	following bool       // somebody listened when it looked last; guarded by mu

	// Of the goroutine that follows.
	failed  int // looks in a row
	since   time.Time
	heardAt int64 // heard when they began to fail
}

func newFollower() *follower {
	return &follower{ours: make(chan struct{}, 1), word: make(chan struct{}, 1)}
}

// nudge leaves word in a channel of capacity 1.
func nudge(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// happened is called by the store.
func (p *Photos) happened(list []store.Event) {
	if p.store.Shared() {
		nudge(p.follower.ours)
		return
	}
	p.tell(list)
}

// attend lets l hear what happens from now on, or returns why not. The caller has it
// leave the hub.
func (p *Photos) attend(ctx context.Context, l *listener) error {
	if !p.store.Shared() {
		return p.hub.join(l)
	}
	last, err := p.store.LastEvent(ctx)
	if err != nil {
		return err
	}
	f := p.follower
	f.mu.Lock()
	defer f.mu.Unlock()
	l.from = last + 1
	if err := p.hub.join(l); err != nil {
		return err
	}
	if !f.following {
		f.following, f.at = true, last
		nudge(f.word)
	}
	return nil
}

// followEvents is the goroutine that tells those who listen here what happened at any
// node, and the other nodes that something happened here.
func (p *Photos) followEvents(ctx context.Context) {
	f := p.follower
	look := time.NewTimer(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-f.ours:
			p.send(message{Events: true})
		case <-f.word:
		case <-look.C:
		case <-ctx.Done():
			return
		}
		pause := lookEvery
		if !p.bus.Others() || !p.bus.Healthy() {
			pause = lookOften
		}
		if !p.look(ctx) {
			look.Stop() // attend says when there is somebody
		} else {
			look.Reset(pause)
		}
		select {
		case <-time.After(lookRest):
		case <-ctx.Done():
			return
		}
	}
}

// look tells those who listen what happened since it looked last. It returns whether
// there is anybody.
func (p *Photos) look(ctx context.Context) bool {
	f := p.follower
	for {
		at, ok := f.position(p.hub)
		if !ok {
			f.failed = 0
			return false
		}
		lctx, cancel := context.WithTimeout(ctx, lookTime)
		list, last, more, err := p.store.EventsAfter(lctx, at, lookPage)
		cancel()
		if err != nil {
			p.unseen(ctx, err)
			return true
		}
		f.failed = 0
		f.mu.Lock()
		f.at = last
		p.tell(list)
		f.mu.Unlock()
		if !more {
			return true
		}
	}
}

// position is where those who listen have got to; not ok: there is nobody.
func (f *follower) position(h *hub) (at int64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.following = f.following && h.any()
	return f.at, f.following
}

// unseen does what is to be done where it cannot be known what happened. Streams of a
// node that is cut off end, so that clients find another one; where the database is
// away for all, nothing happens that they could miss.
func (p *Photos) unseen(ctx context.Context, err error) {
	f := p.follower
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, store.ErrGap) {
		p.log.Warn().Err(err).Msg("streams begin anew")
		p.cutStreams()
		return
	}
	if f.failed++; f.failed == 1 {
		f.since, f.heardAt = time.Now(), f.heard.Load()
	}
	if f.failed == looksFailed {
		p.log.Error().Err(err).Msg("what happens is not known, streams stand still; it is tried again")
	}
	if f.failed >= looksFailed && p.cutOff() {
		p.cutStreams()
	}
}

// cutOff says of a node that cannot read whether its clients do better elsewhere:
// others go on, or it hears nothing of them either.
func (p *Photos) cutOff() bool {
	f := p.follower
	if !p.bus.Others() {
		return time.Since(f.since) >= staleTime
	}
	return !p.bus.Healthy() || f.heard.Load() > f.heardAt
}

// cutStreams has those who listen connect again: they may have missed something.
func (p *Photos) cutStreams() {
	f := p.follower
	f.mu.Lock()
	defer f.mu.Unlock()
	f.following = false // who joins from now on says from where
	p.hub.each(func(l *listener) { l.end(endSlow) })
}
