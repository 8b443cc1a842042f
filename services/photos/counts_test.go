package photos

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// A countingStore counts how often it counts.
type countingStore struct {
	store.Store
	totals, active int
	err            error
}

func (s *countingStore) Totals(context.Context) (store.Totals, error) {
	s.totals++
	return store.Totals{Statuses: int64(s.totals)}, s.err
}

func (s *countingStore) Active(context.Context, time.Time) (int64, error) {
	s.active++
	return 1, nil
}

// However many ask about the instance, it is counted once a minute; an error is
// not kept.
func TestCensus(t *testing.T) {
	st := &countingStore{err: errors.New("the store is away")}
	now := time.Unix(1_000_000, 0)
	c := census{store: st, now: func() time.Time { return now }}
	if _, err := c.counts(t.Context()); !errors.Is(err, st.err) {
		t.Errorf("%v", err)
	}
	st.err, st.totals = nil, 0
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got, err := c.counts(t.Context()); err != nil || got.Statuses != 1 || got.month != 1 || got.halfYear != 1 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	wg.Wait()
	if now = now.Add(countsLife - 1); st.totals != 1 || st.active != 2 {
		t.Errorf("counted %d and %d times", st.totals, st.active)
	}
	for i, step := range []time.Duration{0, 1, 0, -time.Hour} { // clocks are set back, too
		now = now.Add(step)
		got, err := c.counts(t.Context())
		if want := []int64{1, 2, 2, 3}[i]; err != nil || got.Statuses != want {
			t.Errorf("step %d: %+v, want %d, %v", i, got, want, err)
		}
	}
}
