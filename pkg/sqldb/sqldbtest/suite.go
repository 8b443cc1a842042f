// Package sqldbtest is the contract of sqldb.DB as a test, for every engine. It
// knows none of them.
package sqldbtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/sqldb"
)

// Options are what every engine lets one choose.
type Options struct {
	Migrations fs.FS
	Log        zerolog.Logger
	ReadConns  int           // 0: the default
	Wait       time.Duration // 0: the default
}

// Open opens the database that lies at place, a folder of the test's: once more
// where it was open before.
type Open func(t *testing.T, place string, o Options) (sqldb.DB, error)

// Run runs the suite against databases of their own.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, *suite){
		"WriteThenRead":      testWriteThenRead,
		"Values":             testValues,
		"GroupCommit":        testGroupCommit,
		"BeforeCommit":       testBeforeCommit,
		"AfterCommitOrder":   testAfterCommitOrder,
		"AfterCommitPanics":  testAfterCommitPanics,
		"WriteGivesUp":       testWriteGivesUp,
		"WriteStarted":       testWriteStarted,
		"CloseWrites":        testCloseWrites,
		"ForgottenRows":      testForgottenRows,
		"FailedStatement":    testFailedStatement,
		"LostTransaction":    testLostTransaction,
		"Goexit":             testGoexit,
		"ReadIsASnapshot":    testReadIsASnapshot,
		"ReadSeesWrites":     testReadSeesWrites,
		"ReadCannotWrite":    testReadCannotWrite,
		"ReadErrors":         testReadErrors,
		"ManyStatements":     testManyStatements,
		"ReadEnds":           testReadEnds,
		"ReadersAreBounded":  testReadersAreBounded,
		"Parameters":         testParameters,
		"MigrationsGoOn":     testMigrationsGoOn,
		"MigrationFails":     testMigrationFails,
		"NewerDataIsRefused": testNewerDataIsRefused,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, &suite{t: t, place: t.TempDir(), open: open})
		})
	}
}

type suite struct {
	t     *testing.T
	place string
	open  Open
}

// Migrations makes migrations of texts, numbered from 1.
func Migrations(texts ...string) fs.FS {
	m := fstest.MapFS{"README.md": {Data: []byte("ignored")}}
	for i, text := range texts {
		m[fmt.Sprintf("%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

const itemTable = `CREATE TABLE item (id bigint PRIMARY KEY, body text NOT NULL);`

// db opens the database with its table.
func (s *suite) db(o Options) sqldb.DB {
	s.t.Helper()
	if o.Migrations == nil {
		o.Migrations = Migrations(itemTable)
	}
	db, err := s.open(s.t, s.place, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			s.t.Errorf("close: %v", err)
		}
	})
	return db
}

func insert(id int, body string) func(*sqldb.Tx) error {
	return func(tx *sqldb.Tx) error {
		_, err := tx.Exec("INSERT INTO item (id, body) VALUES (?, ?)", id, body)
		return err
	}
}

func (s *suite) write(db sqldb.DB, fn func(*sqldb.Tx) error) {
	s.t.Helper()
	if err := db.Write(s.t.Context(), fn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *suite) count(db sqldb.DB) (n int) {
	s.t.Helper()
	var err error
	wait.Until(s.t, "a reader's turn", func() bool {
		err = db.Read(context.Background(), func(q sqldb.Queryer) error {
			return q.QueryRow("SELECT count(*) FROM item").Scan(&n)
		})
		return !errors.Is(err, sqldb.ErrBusy)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// hold keeps the writer busy until the returned function is called, which returns
// what became of the request.
func (s *suite) hold(db sqldb.DB) (release func() error) {
	s.t.Helper()
	started, gate, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		for { // its turn may not come in time
			ran := false
			err := db.Write(context.Background(), func(*sqldb.Tx) error { ran = true; close(started); <-gate; return nil })
			if ran || !errors.Is(err, sqldb.ErrBusy) {
				result <- err
				return
			}
		}
	}()
	select {
	case <-started:
	case <-time.After(wait.Patience):
		s.t.Fatal("the writer does not begin")
	}
	release = sync.OnceValue(func() error { close(gate); return <-result })
	s.t.Cleanup(func() { _ = release() })
	return release
}

// queued waits until so many requests wait behind the one that hold began.
func (s *suite) queued(db sqldb.DB, n int) {
	s.t.Helper()
	wait.Until(s.t, fmt.Sprint(n, " requests are queued"), func() bool { return db.Stats().Queued == n+1 })
}

func testMigrationsGoOn(t *testing.T, s *suite) {
	db := s.db(Options{})
	s.write(db, insert(1, "one"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = s.db(Options{Migrations: Migrations(itemTable, `ALTER TABLE item ADD COLUMN extra text NOT NULL DEFAULT 'new';`, `UPDATE item SET extra = 'newer';`)})
	var extra string
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		return q.QueryRow("SELECT extra FROM item WHERE id = 1").Scan(&extra)
	})
	if err != nil || extra != "newer" {
		t.Fatalf("extra %q, error %v", extra, err)
	}
}

// A migration that fails changes nothing.
func testMigrationFails(t *testing.T, s *suite) {
	db := s.db(Options{})
	s.write(db, insert(1, "one"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		bad := Migrations(itemTable, `UPDATE item SET body = 'changed'; INSERT INTO nonsense VALUES (1);`)
		if db, err := s.open(t, s.place, Options{Migrations: bad}); err == nil {
			_ = db.Close()
			t.Fatal("a wrong migration went through")
		}
	}
	var body string
	db = s.db(Options{Migrations: Migrations(itemTable, `ALTER TABLE item ADD COLUMN extra text;`)})
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		return q.QueryRow("SELECT body FROM item WHERE extra IS NULL").Scan(&body)
	})
	if err != nil || body != "one" {
		t.Fatalf("body %q, error %v", body, err)
	}
}

func testNewerDataIsRefused(t *testing.T, s *suite) {
	db := s.db(Options{Migrations: Migrations(itemTable, `ALTER TABLE item ADD COLUMN extra text;`)})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := s.open(t, s.place, Options{Migrations: Migrations(itemTable)})
	if err == nil {
		_ = db.Close()
	}
	if !errors.Is(err, sqldb.ErrNewer) {
		t.Fatalf("newer data: %v", err)
	}
}
