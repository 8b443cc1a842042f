// Package sqlstore keeps a chat in an SQL database: in one file of SQLite, or in
// PostgreSQL, for several nodes. Every change is a transaction, and many share a
// commit. It has no rules of its own beyond those of package store.
package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/services/chat/store"
)

// Options of a store.
type Options struct {
	Log zerolog.Logger
	// Committed is called after each commit of this store, with its events in the
	// order of cursors and the position that the log is at now, before the call
	// that made them returns. Nothing lies between after, the position of the log
	// before them, and them. It must not block and must not use the store.
	Committed func(after int64, events []store.Event, cursor int64)
	// Renewed is called when the log has got another epoch: positions mean
	// nothing any more. It must not block and must not use the store.
	Renewed func()
}

// Store is the database of one chat. It implements store.Store.
type Store struct {
	db      sqldb.DB
	log     zerolog.Logger
	opt     Options
	key     []byte
	cursor  atomic.Int64 // the last position that is known to be committed
	stale   atomic.Bool  // the database's log may hold texts that are gone
	epoch   atomic.Pointer[string]
	shared  bool // others may write, too
	head    head // the writer's alone after Open
	rosters rosters
	lease   *lease
}

var _ store.Store = (*Store)(nil)

// File is the name of the database in its folder.
const File = "chat.db"

// Open opens or makes the database in dir, a file of SQLite. The caller closes it.
func Open(ctx context.Context, dir string, opt Options) (*Store, error) {
	sub, err := Migrations(sqldb.SQLite)
	if err != nil {
		return nil, fmt.Errorf("open chat store: %w", err)
	}
	db, err := sqlite.Open(ctx, filepath.Join(dir, File), sqlite.Options{Log: opt.Log, Migrations: sub})
	if err != nil {
		return nil, fmt.Errorf("open chat store: %w", err)
	}
	if err := renewRestored(ctx, db, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("open chat store: %w", err), db.Close())
	}
	return On(ctx, db, opt)
}

// On opens the store that lies in a database with the schema of Migrations, which
// several stores may have open where it is one of PostgreSQL. Closing the store
// closes the database; where On fails, it has.
func On(ctx context.Context, db sqldb.DB, opt Options) (*Store, error) {
	if opt.Committed == nil {
		opt.Committed = func(int64, []store.Event, int64) {}
	}
	if opt.Renewed == nil {
		opt.Renewed = func() {}
	}
	s := &Store{db: db, log: opt.Log, opt: opt, shared: db.Dialect() == sqldb.Postgres, rosters: newRosters(), lease: newLease()}
	if err := s.readLog(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open chat store: %w", err), db.Close())
	}
	return s, nil
}

// readLog reads where the log stands, and names the epoch of a new one.
func (s *Store) readLog(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // it never fails
		_, err := tx.Exec(`INSERT INTO log (id, epoch, cursor) VALUES (1, ?, 0) ON CONFLICT DO NOTHING`, newEpoch())
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE log SET key = ? WHERE key IS NULL`, key); err != nil {
			return err
		}
		var epoch string
		var at int64
		if err := tx.QueryRow(`SELECT epoch, cursor, key FROM log`).Scan(&epoch, &at, &s.key); err != nil {
			return err
		}
		s.epoch.Store(&epoch)
		s.cursor.Store(at)
		s.head = head{epoch: epoch, last: at, told: at, reserved: at}
		return nil
	})
}

// Close waits for what is being written and closes the database.
func (s *Store) Close() error {
	if s.shared {
		s.resign()
	} else {
		s.giveBack()
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close chat store: %w", err)
	}
	return nil
}

// Check implements store.Store.
func (s *Store) Check() error { return s.db.Check() }

// Epoch implements store.Store.
func (s *Store) Epoch() string { return *s.epoch.Load() }

// Cursor implements store.Store.
func (s *Store) Cursor() int64 { return s.cursor.Load() }

// Key implements store.Store.
func (s *Store) Key() []byte { return s.key }

// read runs fn on one state of the database, that of all that was committed.
func (s *Store) read(ctx context.Context, fn func(q sqldb.Queryer) error) error {
	return storeError(s.db.Read(ctx, fn))
}

// storeError adds ErrUnavailable, or ErrFull, to failures that trying again may
// mend.
func storeError(err error) error {
	if errors.Is(err, sqldb.ErrFull) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	if sqldb.Temporary(err) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// exec runs statements that share their arguments, in order.
func exec(t *txn, args []any, statements ...string) error {
	for _, s := range statements {
		if _, err := t.Exec(s, args...); err != nil {
			return err
		}
	}
	return nil
}

// exists reports whether a query of SELECT 1 has a row.
func exists(q sqldb.Queryer, query string, args ...any) (bool, error) {
	var one int
	err := q.QueryRow(query, args...).Scan(&one)
	if errors.Is(err, sqldb.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// column reads all rows of a query of one column.
func column[T any](q sqldb.Queryer, query string, args ...any) ([]T, error) {
	rows, err := q.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

func nullable(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func nullText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// nowMillis is the clock of the log.
func nowMillis() int64 { return time.Now().UnixMilli() }
