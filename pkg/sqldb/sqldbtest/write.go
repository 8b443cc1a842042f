package sqldbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/sqldb"
)

func testWriteThenRead(t *testing.T, s *suite) {
	db := s.db(Options{})
	s.write(db, insert(1, "one"))
	if n := s.count(db); n != 1 {
		t.Fatalf("%d rows, want 1", n)
	}
	if err := db.Write(t.Context(), insert(1, "again")); !errors.Is(err, sqldb.ErrUnique) {
		t.Fatalf("the same key: %v, want ErrUnique", err)
	}
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec("INSERT INTO item (id, body) VALUES (2, NULL)")
		return err
	})
	if !errors.Is(err, sqldb.ErrConstraint) || errors.Is(err, sqldb.ErrUnique) {
		t.Fatalf("a body that is NULL: %v, want ErrConstraint", err)
	}
	var affected int64
	s.write(db, func(tx *sqldb.Tx) error {
		res, err := tx.Exec("UPDATE item SET body = ? WHERE id < ?", "other", 10)
		if err == nil {
			affected, err = res.RowsAffected()
		}
		return err
	})
	if affected != 1 {
		t.Errorf("%d rows affected", affected)
	}
	if err := db.Check(); err != nil {
		t.Error(err)
	}
}

// Requests that wait share few commits; an error or a panic undoes its own alone.
func testGroupCommit(t *testing.T, s *suite) {
	db := s.db(Options{})
	const n = 400
	release := s.hold(db)
	var wg sync.WaitGroup
	bad := errors.New("bad")
	for i := range n {
		wg.Go(func() {
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				if err := insert(i, "x")(tx); err != nil {
					return err
				}
				switch i % 10 {
				case 3:
					return bad
				case 7:
					panic("oops")
				}
				return nil
			})
			var p *sqldb.PanicError
			switch {
			case i%10 == 3 && !errors.Is(err, bad), i%10 == 7 && !errors.As(err, &p), i%10 != 3 && i%10 != 7 && err != nil:
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	s.queued(db, n)
	if err := release(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if got := s.count(db); got != n*8/10 {
		t.Errorf("%d rows, want %d", got, n*8/10)
	}
	if st := db.Stats(); st.Commits > n/4 || st.Writes != n*8/10+1 {
		t.Errorf("%d commits for %d writes, want at most %d for %d", st.Commits, st.Writes, n/4, n*8/10+1)
	}
}

// Of requests that share a transaction, what the last one wants that was kept is
// run before the commit, once, and undoes them all where it fails.
func testBeforeCommit(t *testing.T, s *suite) {
	refused := errors.New("refused")
	db := s.db(Options{})
	for round, last := range []error{nil, errors.New("failed")} {
		release := s.hold(db)
		before := s.count(db)
		var ran []int // the writer's
		turns := map[int64]int{}
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				errs[i] = db.Write(t.Context(), func(tx *sqldb.Tx) error {
					turns[tx.Turn()]++
					if i < 3 {
						tx.BeforeCommit(func(tx *sqldb.Tx) error {
							turns[tx.Turn()]++
							ran = append(ran, i)
							return errors.Join(last, insert(100+10*round, "x")(tx))
						})
					}
					if i == 2 {
						return refused
					}
					return insert(10*round+i, "x")(tx)
				})
			})
			s.queued(db, i+1)
		}
		if err := release(); !errors.Is(err, last) { // they have joined its transaction
			t.Fatal(err)
		}
		wg.Wait()
		if len(ran) != 1 || ran[0] != 1 || len(turns) != 1 {
			t.Errorf("ran %v in turns %v", ran, turns)
		}
		for i, want := range []error{last, last, refused, last} {
			if !errors.Is(errs[i], want) {
				t.Errorf("request %d: %v, not %v", i, errs[i], want)
			}
		}
		if n := s.count(db) - before; last == nil && n != 4 || last != nil && n != 0 {
			t.Errorf("%d rows", n)
		}
	}
}

func testAfterCommitOrder(t *testing.T, s *suite) {
	db := s.db(Options{})
	var published []int // written by the writer's goroutine only
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			var told atomic.Bool
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				var seq int
				if err := tx.QueryRow("SELECT count(*) + 1 FROM item").Scan(&seq); err != nil {
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

func testAfterCommitPanics(t *testing.T, s *suite) {
	var log bytes.Buffer
	db := s.db(Options{Log: zerolog.New(&log)})
	ran := false
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		tx.AfterCommit(func() { panic("oops") })
		tx.AfterCommit(func() { ran = true })
		return insert(1, "x")(tx)
	})
	if err != nil || !ran || s.count(db) != 1 {
		t.Fatalf("error %v, second hook ran: %v", err, ran)
	}
	if err := db.Close(); err != nil { // nobody writes to the log any more
		t.Fatal(err)
	}
	if !bytes.Contains(log.Bytes(), []byte("oops")) || !bytes.Contains(log.Bytes(), []byte("write.go")) {
		t.Fatalf("the panic is not in the log: %s", log.String())
	}
}

func testWriteGivesUp(t *testing.T, s *suite) {
	db := s.db(Options{Wait: 20 * time.Millisecond})
	release := s.hold(db)
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
	wait.Works(t, "a write", func() error { return db.Write(t.Context(), insert(1, "x")) })
	if n := s.count(db); n != 1 {
		t.Errorf("%d rows: requests that were given up", n-1)
	}
}

// A request that has started is answered with what became of it.
func testWriteStarted(t *testing.T, s *suite) {
	db := s.db(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Write(ctx, func(tx *sqldb.Tx) error {
		cancel()
		return insert(1, "x")(tx)
	})
	if err != nil || s.count(db) != 1 {
		t.Fatalf("error %v with %d rows", err, s.count(db))
	}
}

func testCloseWrites(t *testing.T, s *suite) {
	db := s.db(Options{})
	release := s.hold(db)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := db.Write(t.Context(), insert(i, "x")); err != nil {
				t.Errorf("queued before Close: %v", err)
			}
		})
	}
	s.queued(db, 50)
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
	if n := s.count(s.db(Options{})); n != 50 {
		t.Errorf("%d rows, want 50", n)
	}
}

// What SQL leaves behind in a request must not leak into the next.
func testForgottenRows(t *testing.T, s *suite) {
	db := s.db(Options{})
	for i := range 3 {
		s.write(db, func(tx *sqldb.Tx) error {
			if err := insert(i, "x")(tx); err != nil {
				return err
			}
			rows, err := tx.Query("SELECT id FROM item")
			if err != nil {
				return err
			}
			rows.Next() // and not closed
			return nil
		})
	}
	if n := s.count(db); n != 3 {
		t.Fatalf("%d rows", n)
	}
}

// Where a statement failed, other requests of the transaction are not touched,
// whatever the function makes of the error. It may not go on: what it did then is
// stored whole, or it gets an error.
func testFailedStatement(t *testing.T, s *suite) {
	db := s.db(Options{})
	s.write(db, insert(1000, "x"))
	release := s.hold(db)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				if err := insert(i, "x")(tx); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return insert(1000, "again")(tx)
				case 2: // passes over the error
					_ = insert(1000, "again")(tx)
				case 3:
					_, err := tx.Exec("SELECT nonsense")
					return err
				}
				return nil
			})
			n := -1
			rerr := db.Read(t.Context(), func(q sqldb.Queryer) error {
				return q.QueryRow("SELECT count(*) FROM item WHERE id = ?", i).Scan(&n)
			})
			if rerr != nil || (err == nil) != (n == 1) || i%4 == 0 && err != nil || i%4 == 1 && !errors.Is(err, sqldb.ErrUnique) || i%4 == 3 && err == nil {
				t.Errorf("request %d: %v, and %d rows of it (%v)", i, err, n, rerr)
			}
		})
	}
	s.queued(db, 20)
	if err := release(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// A request that ends the transaction under the others makes them fail: none is
// acknowledged, and the next batch is not touched.
func testLostTransaction(t *testing.T, s *suite) {
	db := s.db(Options{})
	for _, end := range []string{"ROLLBACK", "COMMIT"} {
		release := s.hold(db)
		s.write2(db, end, release)
	}
	s.write(db, insert(100, "x"))
}

func (s *suite) write2(db sqldb.DB, end string, release func() error) {
	t := s.t
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			id := fmt.Sprint(end, i)
			err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.Exec("INSERT INTO item (id, body) VALUES ((SELECT count(*) FROM item) + 1000, ?)", id)
				if err != nil || i != 7 {
					return err
				}
				_, err = tx.Exec(end)
				return err
			})
			n := -1
			rerr := db.Read(t.Context(), func(q sqldb.Queryer) error {
				return q.QueryRow("SELECT count(*) FROM item WHERE body = ?", id).Scan(&n)
			})
			if rerr != nil || err == nil && n != 1 || i == 7 && err == nil || err != nil && n != 0 && end == "ROLLBACK" {
				t.Errorf("%s, request %d: %v, and %d rows of it (%v)", end, i, err, n, rerr)
			}
		})
	}
	s.queued(db, 20)
	_ = release()
	wg.Wait()
}

// t.Fatal in a request must not leave everybody waiting.
func testGoexit(t *testing.T, s *suite) {
	db := s.db(Options{})
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		if err := insert(1, "x")(tx); err != nil {
			return err
		}
		runtime.Goexit()
		return nil
	})
	if err == nil || s.count(db) != 0 {
		t.Fatalf("error %v", err)
	}
	s.write(db, insert(1, "x"))
}
