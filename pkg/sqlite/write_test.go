package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

// hold keeps the writer busy until the returned function is called, which
// returns what became of the request.
func hold(t *testing.T, db *sqlite.DB) (release func() error) {
	t.Helper()
	started, gate, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		result <- db.Write(context.Background(), func(*sqldb.Tx) error { close(started); <-gate; return nil })
	}()
	<-started
	release = sync.OnceValue(func() error { close(gate); return <-result })
	t.Cleanup(func() { _ = release() })
	return release
}

func TestAfterCommitOrder(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
	var published []int // written by the writer's goroutine only
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			var told atomic.Bool
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				var seq int
				if err := tx.QueryRow("SELECT count(*) + 1 FROM row").Scan(&seq); err != nil {
					return err
				}
				tx.AfterCommit(func() { published = append(published, seq); told.Store(true) })
				if err := insert(seq, "x")(tx); err != nil || i%5 > 0 {
					return err
				}
				return errors.New("refused")
			})
			if told.Load() != (err == nil) || (err == nil) != (i%5 > 0) {
				t.Errorf("request %d: told %v when Write returned %v", i, told.Load(), err)
			}
		})
	}
	wg.Wait()
	if len(published) != 160 || !slices.IsSorted(published) || published[159] != 160 {
		t.Fatalf("published %v", published)
	}
}

func TestAfterCommitPanicIsContained(t *testing.T) {
	var log bytes.Buffer
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{Migrations: schema(rowTable), Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ran := false
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		tx.AfterCommit(func() { panic("oops") })
		tx.AfterCommit(func() { ran = true })
		return insert(1, "x")(tx)
	})
	if err != nil || !ran || count(t, db) != 1 {
		t.Fatalf("error %v, second hook ran: %v", err, ran)
	}
	if !bytes.Contains(log.Bytes(), []byte("oops")) || !bytes.Contains(log.Bytes(), []byte("write_test.go")) {
		t.Fatalf("the panic is not in the log: %s", log.String())
	}
}

func TestWriteGivesUp(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{Migrations: schema(rowTable), Wait: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	release := hold(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Write(ctx, insert(1, "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("ended ctx: %v", err)
	}
	if err := db.Write(t.Context(), insert(2, "x")); !errors.Is(err, sqldb.ErrBusy) {
		t.Errorf("no turn in time: %v", err)
	}
	// The queue is bounded: all beyond its length are refused too.
	var wg sync.WaitGroup
	for i := range 1500 {
		wg.Go(func() {
			if err := db.Write(t.Context(), insert(10+i, "x")); !errors.Is(err, sqldb.ErrBusy) {
				t.Errorf("no turn in time: %v", err)
			}
		})
	}
	wg.Wait()
	if err := release(); err != nil {
		t.Error(err)
	}
	wait.Until(t, "an empty queue", func() bool { return db.Stats().Queued == 0 })
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows of requests that were given up", n)
	}
	if err := db.Write(t.Context(), insert(1, "x")); err != nil {
		t.Error(err)
	}
}

// A request that has started is answered with what became of it.
func TestWriteStarted(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Write(ctx, func(tx *sqldb.Tx) error {
		cancel()
		return insert(1, "x")(tx)
	})
	if err != nil || count(t, db) != 1 {
		t.Fatalf("error %v with %d rows", err, count(t, db))
	}
}

func TestCloseWritesWhatWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, schema(rowTable))
	release := hold(t, db)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := db.Write(t.Context(), insert(i, "x")); err != nil {
				t.Errorf("queued before Close: %v", err)
			}
		})
	}
	wait.Until(t, "50 queued", func() bool { return db.Stats().Queued == 51 })
	wg.Go(func() { _ = db.Close() })
	wait.Until(t, "Close", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		return errors.Is(db.Write(ctx, insert(100, "x")), sqldb.ErrClosed)
	})
	if err := release(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := db.Read(t.Context(), func(sqldb.Queryer) error { return nil }); !errors.Is(err, sqldb.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if n := count(t, open(t, path, schema(rowTable))); n != 50 {
		t.Errorf("%d rows, want 50", n)
	}
}

// What SQL leaves behind in a request must not leak into the next.
func TestForgottenRows(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
	for i := range 3 {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			if err := insert(i, "x")(tx); err != nil {
				return err
			}
			rows, err := tx.Query("SELECT id FROM row")
			if err != nil {
				return err
			}
			rows.Next() // and not closed
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, db); n != 3 {
		t.Fatalf("%d rows", n)
	}
}

// A request that ends the transaction under the others makes them fail: none is
// acknowledged, and the next batch is not touched.
func TestLostTransaction(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
	release := hold(t, db)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				if err := insert(i, "x")(tx); err != nil || i != 7 {
					return err
				}
				_, err := tx.Exec("ROLLBACK")
				return err
			})
			// Those that came after it are in a batch of their own.
			n := -1
			rerr := db.Read(t.Context(), func(q sqldb.Queryer) error {
				return q.QueryRow("SELECT count(*) FROM row WHERE id = ?", i).Scan(&n)
			})
			if rerr != nil || (err == nil) != (n == 1) || i == 7 && err == nil {
				t.Errorf("request %d: %v, and %d rows of it (%v)", i, err, n, rerr)
			}
		})
	}
	wait.Until(t, "20 queued", func() bool { return db.Stats().Queued == 21 })
	_ = release()
	wg.Wait()
	if err := db.Write(t.Context(), insert(100, "x")); err != nil {
		t.Error(err)
	}
}

// t.Fatal in a request must not leave everybody waiting.
func TestGoexit(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		if err := insert(1, "x")(tx); err != nil {
			return err
		}
		runtime.Goexit()
		return nil
	})
	if err == nil || count(t, db) != 0 {
		t.Fatalf("error %v", err)
	}
	if err := db.Write(t.Context(), insert(1, "x")); err != nil {
		t.Fatal(err)
	}
}
