package sqldbtest

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porticod/portico/pkg/sqldb"
)

func testReadIsASnapshot(t *testing.T, s *suite) {
	db := s.db(Options{})
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		var before, after int
		if err := q.QueryRow("SELECT count(*) FROM item").Scan(&before); err != nil {
			return err
		}
		if err := db.Write(t.Context(), insert(1, "x")); err != nil {
			return err
		}
		if err := q.QueryRow("SELECT count(*) FROM item").Scan(&after); err != nil {
			return err
		}
		if before != 0 || after != 0 {
			t.Errorf("saw %d, then %d rows", before, after)
		}
		return nil
	})
	if err != nil || s.count(db) != 1 {
		t.Fatalf("error %v, then %d rows", err, s.count(db))
	}
}

// Whoever was told that something is stored finds it.
func testReadSeesWrites(t *testing.T, s *suite) {
	db := s.db(Options{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 20 {
				id := 100*w + i
				if err := db.Write(t.Context(), insert(id, "x")); err != nil {
					t.Error(err)
					return
				}
				var body string
				if err := db.Read(t.Context(), func(q sqldb.Queryer) error {
					return q.QueryRow("SELECT body FROM item WHERE id = ?", id).Scan(&body)
				}); err != nil {
					t.Errorf("row %d: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
}

func testReadCannotWrite(t *testing.T, s *suite) {
	db := s.db(Options{})
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		var id int
		return q.QueryRow("INSERT INTO item (id, body) VALUES (1, 'x') RETURNING id").Scan(&id)
	})
	if err == nil || s.count(db) != 0 {
		t.Fatalf("error %v with %d rows", err, s.count(db))
	}
}

func testReadErrors(t *testing.T, s *suite) {
	db := s.db(Options{})
	read := func(query string) error {
		return db.Read(t.Context(), func(q sqldb.Queryer) error {
			var v int
			return q.QueryRow(query).Scan(&v)
		})
	}
	if err := read("SELECT id FROM item"); !errors.Is(err, sqldb.ErrNoRows) {
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
func testManyStatements(t *testing.T, s *suite) {
	db := s.db(Options{})
	for i := range 3 {
		s.write(db, insert(i, "x"))
	}
	pairs := 0
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		const query = "SELECT id FROM item"
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
		for i := range 1500 {
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

func testReadEnds(t *testing.T, s *suite) {
	db := s.db(Options{})
	endless := func(q sqldb.Queryer) error {
		var n int
		return q.QueryRow("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c").Scan(&n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := db.Read(ctx, endless); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sqldb.ErrAway) {
		t.Fatalf("an endless query: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := db.Read(ctx, endless); !errors.Is(err, context.Canceled) {
		t.Fatalf("an endless query that is given up: %v", err)
	}
	if s.count(db) != 0 {
		t.Fatal("no")
	}
}

func testReadersAreBounded(t *testing.T, s *suite) {
	db := s.db(Options{ReadConns: 2, Wait: 20 * time.Millisecond})
	var wg sync.WaitGroup
	busy, gate := make(chan error), make(chan struct{})
	for range 2 {
		wg.Go(func() {
			// Connecting may take longer than the wait on a busy machine.
			for {
				err := db.Read(t.Context(), func(sqldb.Queryer) error { busy <- nil; <-gate; return nil })
				if err == nil || !errors.Is(err, sqldb.ErrBusy) {
					return
				}
			}
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

// What a text has in quotes and comments is no parameter; numbered ones may come
// often and in any order.
func testParameters(t *testing.T, s *suite) {
	db := s.db(Options{})
	var a, b, c, d string
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT 'why?' || ?1, -- or ?2 not?
			"body" || ?2, ?1 || 'it''s ?' /* ?9 */, body FROM (SELECT 'x?' AS body) AS "?" WHERE ?2 = ?2`, "one", "two").Scan(&a, &b, &c, &d)
	})
	if err != nil || a != "why?one" || b != "x?two" || c != "oneit's ?" || d != "x?" {
		t.Fatalf("%q %q %q %q, %v", a, b, c, d, err)
	}
}

type (
	word   string
	number int32
)

// Both engines take the same values and give the same back.
func testValues(t *testing.T, s *suite) {
	db := s.db(Options{Migrations: Migrations(`CREATE TABLE v (id bigint PRIMARY KEY, n bigint, text text, bytes bytea, flag bigint, real double precision);`)})
	type row struct {
		N     *int64
		Text  word
		Bytes []byte
		Flag  bool
		Real  float64
	}
	n, least := int64(math.MaxInt64), int64(math.MinInt64)
	rows := []row{
		{&n, "äöü \U0001F600 ?", []byte{0, 1, 255}, true, 1.5},
		{&least, "", []byte{0}, false, -0.25},
		{nil, "it's", []byte("text"), true, 1e300},
	}
	s.write(db, func(tx *sqldb.Tx) error {
		for i, r := range rows {
			if _, err := tx.Exec("INSERT INTO v (id, n, text, bytes, flag, real) VALUES (?, ?, ?, ?, ?, ?)",
				number(i), r.N, r.Text, r.Bytes, r.Flag, r.Real); err != nil {
				return err
			}
		}
		return nil
	})
	var got []row
	var sum, flags int
	var none *string
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		rows, err := q.Query("SELECT n, text, bytes, flag, real FROM v ORDER BY id")
		if err != nil {
			return err
		}
		for rows.Next() {
			var r row
			if err := rows.Scan(&r.N, &r.Text, &r.Bytes, &r.Flag, &r.Real); err != nil {
				return err
			}
			got = append(got, r)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if err := q.QueryRow("SELECT sum(id), sum(CASE WHEN flag = ? THEN 1 ELSE 0 END), NULL FROM v", true).Scan(&sum, &flags, &none); err != nil {
			return err
		}
		var is, isNot bool
		if err := q.QueryRow("SELECT n IS NULL, text = '' FROM v WHERE id = ?", uint8(2)).Scan(&is, &isNot); err != nil {
			return err
		}
		if !is || isNot {
			t.Errorf("NULL %v, empty %v", is, isNot)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rows, got); d != "" || sum != 3 || flags != 2 || none != nil {
		t.Errorf("sum %d, flags %d, none %v; rows (-want +got):\n%s", sum, flags, none, d)
	}
	var small int8
	err = db.Read(t.Context(), func(q sqldb.Queryer) error {
		return q.QueryRow("SELECT n FROM v WHERE id = 0").Scan(&small)
	})
	if err == nil {
		t.Errorf("%d of a number that is larger", small)
	}
}
