package photos

import (
	"context"
	"sync"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// countsLife is how old what anybody may ask for may be: it is counted over all
// posts and people.
const countsLife = time.Minute

// counts are of the service as a whole.
type counts struct {
	store.Totals
	month, halfYear int64 // people who posted within it
}

// A census keeps the counts that were made last.
type census struct {
	store store.Store
	now   func() time.Time

	mu   sync.Mutex // held while it counts: who asks meanwhile gets the same
	last counts
	at   time.Time // zero: never counted
}

func (s *census) counts(ctx context.Context) (counts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if age := now.Sub(s.at); !s.at.IsZero() && age >= 0 && age < countsLife {
		return s.last, nil
	}
	var c counts
	var err error
	if c.Totals, err = s.store.Totals(ctx); err != nil {
		return counts{}, err
	}
	if c.month, err = s.store.Active(ctx, now.Add(-month)); err != nil {
		return counts{}, err
	}
	if c.halfYear, err = s.store.Active(ctx, now.Add(-6*month)); err != nil {
		return counts{}, err
	}
	s.last, s.at = c, now
	return c, nil
}
