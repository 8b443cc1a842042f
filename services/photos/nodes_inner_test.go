package photos

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/services/photos/store"
)

// looks is a store that only says what happened, and counts who asks.
type looks struct {
	store.Store
	n    atomic.Int64
	away atomic.Bool
}

func (l *looks) Shared() bool { return true }

func (l *looks) LastEvent(context.Context) (int64, error) {
	if l.away.Load() {
		return 0, errors.New("away")
	}
	return 7, nil
}

func (l *looks) EventsAfter(_ context.Context, after int64, _ int) ([]store.Event, int64, bool, error) {
	l.n.Add(1)
	if l.away.Load() {
		return nil, 0, false, errors.New("away")
	}
	return nil, after, false, nil
}

// following is a service that does nothing but follow what happens, with a bus.
func following(t *testing.T, wire bus.Bus) (*Photos, *looks) {
	t.Helper()
	st := &looks{}
	p := &Photos{store: st, bus: wire, hub: newHub(), follower: newFollower(), log: zerolog.Nop()}
	ctx, cancel := context.WithCancel(t.Context())
	p.done.Go(func() { p.followEvents(ctx) })
	t.Cleanup(func() {
		cancel()
		p.done.Wait()
	})
	return p, st
}

// TestLooks: the database is asked once a second while somebody listens, five times
// as often where nobody can tell, at most 50 times however much happens, and never
// where nobody listens.
func TestLooks(t *testing.T) {
	for name, c := range map[string]struct {
		nodes       int
		least, most int64 // in ten seconds
	}{"bus": {2, 9, 11}, "no bus": {1, 45, 51}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var local bus.Local
				for range c.nodes - 1 {
					local.Node()
				}
				p, st := following(t, local.Node())
				asked := func(what string, least, most int64) {
					t.Helper()
					before := st.n.Load()
					time.Sleep(10 * time.Second)
					if n := st.n.Load() - before; n < least || n > most {
						t.Errorf("%s: asked %d times in ten seconds, not %d to %d", what, n, least, most)
					}
				}
				time.Sleep(2 * time.Second) // a timer of the start
				busy := func() (stop func()) {
					return every(t.Context(), time.Millisecond, func(context.Context) { p.happened(nil) })
				}
				asked("nobody listens", 0, 0)
				stop := busy()
				asked("nobody listens to much", 0, 0)
				stop()
				l := newListener(owner{User: 1})
				if err := p.attend(t.Context(), l); err != nil {
					t.Fatal(err)
				}
				asked("one listens", c.least, c.most)
				stop = busy()
				asked("one listens to much", 300, 510)
				stop()
				p.hub.leave(l)
				time.Sleep(lookEvery)
				asked("he is gone", 0, 0)
			})
		})
	}
}

// TestStale: without a bus, streams that cannot know what happens end after a while.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var local bus.Local
		p, st := following(t, local.Node())
		l := newListener(owner{User: 1})
		if err := p.attend(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		st.away.Store(true)
		time.Sleep(staleTime - time.Second)
		if _, _, code := l.take(); code != 0 {
			t.Errorf("it ends with %d too early", code)
		}
		if p.attend(t.Context(), newListener(owner{User: 2})) == nil {
			t.Error("somebody listens to nothing")
		}
		time.Sleep(2 * time.Second)
		if _, _, code := l.take(); code != endSlow {
			t.Errorf("code %d", code)
		}
	})
}

// FuzzMessages: whatever comes over the bus, it is heard.
func FuzzMessages(f *testing.F) {
	for _, text := range []string{`{"events":true}`, `{"jobs":true}`, `{"calls":[{"n":-1},{"from":"::/0","n":3}]}`, `[`, `null`, `{"calls":{}}`} {
		f.Add([]byte(text))
	}
	p := &Photos{follower: newFollower()}
	f.Fuzz(func(_ *testing.T, data []byte) { p.hear([][]byte{data}) })
}
