package sqldb_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/sqldb"
)

// An engine does nothing, slowly.
type engine struct {
	sqldb.Conn
	begins atomic.Int64
	hold   chan struct{} // Begin waits for it
	broken atomic.Bool   // nothing can be committed
}

func (e *engine) Begin(context.Context) error      { e.begins.Add(1); <-e.hold; return nil }
func (e *engine) Savepoint(context.Context) error  { return nil }
func (e *engine) RollbackTo(context.Context) error { return nil }
func (e *engine) Release(context.Context) error    { return nil }
func (e *engine) Failed() error                    { return nil }
func (e *engine) Commit(context.Context) error {
	if e.broken.Load() {
		return sqldb.ErrAway
	}
	return nil
}
func (e *engine) Rollback(context.Context) error { return nil }
func (e *engine) CloseRows()                     {}
func (e *engine) Probe(*sqldb.Tx) error          { return nil }

// Whoever has given up costs no transaction, however many they are: after an outage
// those who still wait come at once, and Close ends.
func TestAbandonedCostNothing(t *testing.T) {
	e := &engine{hold: make(chan struct{})}
	g := sqldb.NewGroup(e, sqldb.GroupOptions{Log: zerolog.Nop(), Dialect: sqldb.Postgres, Batch: 10, Wait: time.Minute})
	write := func(ctx context.Context) error { return g.Write(ctx, func(*sqldb.Tx) error { return nil }) }
	var first, last error
	var ends sync.WaitGroup
	ends.Go(func() { first = write(t.Context()) })
	wait.Until(t, "the first has begun", func() bool { return e.begins.Load() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	var gone sync.WaitGroup
	for range 300 {
		gone.Go(func() {
			if err := write(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("who gave up got %v", err)
			}
		})
	}
	wait.Until(t, "all wait", func() bool { return g.Queued() == 301 })
	ends.Go(func() { last = write(t.Context()) })
	wait.Until(t, "all wait", func() bool { return g.Queued() == 302 })
	cancel()
	gone.Wait()
	close(e.hold)
	ends.Wait()
	g.Close()
	if first != nil || last != nil || e.begins.Load() > 2 || g.Queued() != 0 {
		t.Errorf("%v and %v, in %d transactions; %d wait", first, last, e.begins.Load(), g.Queued())
	}
}

// What comes while the first request waits for its turn, however long, shares its
// transaction.
func TestWaitersJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		close(e.hold)
		g := sqldb.NewGroup(e, sqldb.GroupOptions{Log: zerolog.Nop(), Dialect: sqldb.Postgres, Batch: 10, Wait: time.Minute})
		turn := make(chan struct{})
		var writes sync.WaitGroup
		write := func(fn func(*sqldb.Tx) error) {
			writes.Go(func() {
				if err := g.Write(t.Context(), fn); err != nil {
					t.Error(err)
				}
			})
		}
		write(func(*sqldb.Tx) error { <-turn; return nil })
		synctest.Wait()
		for range 12 {
			write(func(*sqldb.Tx) error { return nil })
		}
		synctest.Wait()
		time.Sleep(time.Second)
		close(turn)
		writes.Wait()
		g.Close()
		if n := e.begins.Load(); n != 2 || g.Writes() != 13 {
			t.Errorf("%d writes in %d transactions, not 13 in 2 of 10 at most", g.Writes(), n)
		}
	})
}

// However often it fails, it is asked once a second whether it stores again.
func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{hold: make(chan struct{})}
		close(e.hold)
		g := sqldb.NewGroup(e, sqldb.GroupOptions{Log: zerolog.Nop(), Dialect: sqldb.Postgres, Batch: 10, Wait: time.Minute})
		for i := range 41 {
			e.broken.Store(i%2 == 0)
			if err := g.Write(t.Context(), func(*sqldb.Tx) error { return nil }); (err != nil) != e.broken.Load() {
				t.Errorf("write %d: %v", i, err)
			}
		}
		before := e.begins.Load()
		time.Sleep(10*time.Second + time.Millisecond)
		if n := e.begins.Load() - before; n != 10 || g.Check() == nil {
			t.Errorf("asked %d times in ten seconds, and it is %v", n, g.Check())
		}
		e.broken.Store(false)
		time.Sleep(time.Second)
		if before = e.begins.Load(); g.Check() != nil {
			t.Error(g.Check())
		}
		time.Sleep(10 * time.Second)
		if n := e.begins.Load() - before; n != 0 {
			t.Errorf("asked %d times though it stores", n)
		}
		g.Close()
	})
}
