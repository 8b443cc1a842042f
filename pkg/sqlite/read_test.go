package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

func TestReadIsASnapshot(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		var before, after int
		if err := q.QueryRow("SELECT count(*) FROM row").Scan(&before); err != nil {
			return err
		}
		if err := db.Write(t.Context(), insert(1, "x")); err != nil {
			return err
		}
		if err := q.QueryRow("SELECT count(*) FROM row").Scan(&after); err != nil {
			return err
		}
		if before != 0 || after != 0 {
			t.Errorf("saw %d, then %d rows", before, after)
		}
		return nil
	})
	if err != nil || count(t, db) != 1 {
		t.Fatalf("error %v, then %d rows", err, count(t, db))
	}
}

func TestReadCannotWrite(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		var id int
		return q.QueryRow("INSERT INTO row (id, body) VALUES (1, 'x') RETURNING id").Scan(&id)
	})
	if err == nil || count(t, db) != 0 {
		t.Fatalf("error %v with %d rows", err, count(t, db))
	}
}

func TestReadErrors(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
	read := func(query string) error {
		return db.Read(t.Context(), func(q sqldb.Queryer) error {
			var v int
			return q.QueryRow(query).Scan(&v)
		})
	}
	if err := read("SELECT id FROM row"); !errors.Is(err, sqldb.ErrNoRows) {
		t.Errorf("no rows: %v", err)
	}
	if err := read("SELECT nonsense"); err == nil {
		t.Error("no error for a bad query")
	}
	if err := read("SELECT 'text'"); err == nil {
		t.Error("no error for a text in an int")
	}
	err := db.Read(t.Context(), func(sqldb.Queryer) error { panic("oops") })
	var p *sqldb.PanicError
	if !errors.As(err, &p) || p.Value != "oops" {
		t.Errorf("panic: %v", err)
	}
	if err := read("SELECT 1"); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// The same text inside a loop over itself, and more texts than are kept.
func TestNestedAndManyStatements(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
	for i := range 3 {
		if err := db.Write(t.Context(), insert(i, "x")); err != nil {
			t.Fatal(err)
		}
	}
	pairs := 0
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		const query = "SELECT id FROM row"
		outer, err := q.Query(query)
		if err != nil {
			return err
		}
		defer outer.Close()
		for outer.Next() {
			inner, err := q.Query(query)
			if err != nil {
				return err
			}
			for inner.Next() {
				pairs++
			}
			if err := errors.Join(inner.Err(), inner.Close()); err != nil {
				return err
			}
		}
		return outer.Err()
	})
	if err != nil || pairs != 9 {
		t.Fatalf("%d pairs, error %v", pairs, err)
	}
	err = db.Read(t.Context(), func(q sqldb.Queryer) error {
		for i := range 500 {
			var v int
			if err := q.QueryRow("SELECT " + string(rune('0'+i%10)) + " -- " + time.Duration(i).String()).Scan(&v); err != nil || v != i%10 {
				return errors.Join(err, errors.New("wrong row"))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := db.Read(ctx, func(q sqldb.Queryer) error {
		var n int
		return q.QueryRow("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c").Scan(&n)
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("an endless query: %v", err)
	}
	if count(t, db) != 0 {
		t.Fatal("no")
	}
}

func TestReadersAreBounded(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{ReadConns: 2, Wait: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var wg sync.WaitGroup
	busy, gate := make(chan struct{}), make(chan struct{})
	for range 2 {
		wg.Go(func() {
			_ = db.Read(t.Context(), func(sqldb.Queryer) error { busy <- struct{}{}; <-gate; return nil })
		})
	}
	<-busy
	<-busy
	if err := db.Read(t.Context(), func(sqldb.Queryer) error { return nil }); !errors.Is(err, sqldb.ErrBusy) {
		t.Errorf("a third reader of two: %v", err)
	}
	close(gate)
	wg.Wait()
}

func TestIdleReadersAreClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: schema(rowTable)})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if n := db.Stats().Readers; n != 0 {
			t.Fatalf("%d readers before the first read", n)
		}
		count(t, db)
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if n := db.Stats().Readers; n != 1 {
			t.Fatalf("%d readers after a read", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := db.Stats().Readers; n != 0 {
			t.Fatalf("%d readers after half a minute", n)
		}
		count(t, db)
	})
}
