// Package sqlstore keeps a chat in SQLite, in one file: every change is a
// transaction, and many share an fsync. It has no rules of its own beyond those
// of package store.
package sqlstore

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/services/chat/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options of a store.
type Options struct {
	Log zerolog.Logger
	// Committed is called after each commit, with its events in the order of
	// cursors and the position that the log is at now, before the call that made
	// them returns. It must not block and must not use the store.
	Committed func(events []store.Event, cursor int64)
}

// Store is the database of one chat. It implements store.Store.
type Store struct {
	db        sqldb.DB
	epoch     string
	key       []byte
	committed func([]store.Event, int64)
	cursor    atomic.Int64 // the last committed position
	stale     atomic.Bool  // the database's log may hold texts that are gone

	// The writer's alone after Open.
	last     int64 // position given out last
	reserved int64 // positions up to this one are not used again after a crash
	rosters  rosters
}

var _ store.Store = (*Store)(nil)

// Open opens or makes the database in dir. The caller closes it.
func Open(ctx context.Context, dir string, opt Options) (*Store, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open chat store: %w", err)
	}
	db, err := sqlite.Open(ctx, filepath.Join(dir, "chat.db"), sqlite.Options{Log: opt.Log, Migrations: sub})
	if err != nil {
		return nil, fmt.Errorf("open chat store: %w", err)
	}
	s := &Store{db: db, committed: opt.Committed, rosters: rosters{convs: map[store.ConvID]roster{}}}
	if s.committed == nil {
		s.committed = func([]store.Event, int64) {}
	}
	if err := renew(ctx, db, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("open chat store: %w", err), db.Close())
	}
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
		_, err := tx.Exec(`INSERT INTO log (id, epoch, cursor) VALUES (1, ?, 0) ON CONFLICT DO NOTHING`, rand.Text()[:12])
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE log SET key = ? WHERE key IS NULL`, key); err != nil {
			return err
		}
		if err := tx.QueryRow(`SELECT epoch, cursor, key FROM log`).Scan(&s.epoch, &s.last, &s.key); err != nil {
			return err
		}
		s.cursor.Store(s.last)
		s.reserved = s.last
		return nil
	})
}

// Close waits for what is being written and closes the database.
func (s *Store) Close() error {
	// Not needed, but then no position is skipped: it may fail.
	_ = s.db.Write(context.Background(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE log SET cursor = ? WHERE cursor > ?`, s.last, s.last)
		return err
	})
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close chat store: %w", err)
	}
	return nil
}

// Check implements store.Store.
func (s *Store) Check() error { return s.db.Check() }

// Epoch implements store.Store.
func (s *Store) Epoch() string { return s.epoch }

// Cursor implements store.Store.
func (s *Store) Cursor() int64 { return s.cursor.Load() }

// Key implements store.Store.
func (s *Store) Key() []byte { return s.key }

// A txn is a writing transaction and what it does to the log.
type txn struct {
	*sqldb.Tx
	s      *Store
	events []store.Event // to be handed on after the commit
	moved  bool          // a position was given out
}

// next gives out the next position. The counter is in memory: of positions
// whose transaction is undone nobody hears, and they are not used again.
func (t *txn) next() int64 {
	t.moved = true
	t.s.last++
	return t.s.last
}

// add queues an event for after the commit, unless it is for nobody.
func (t *txn) add(e store.Event) {
	if len(e.Audience) > 0 {
		t.events = append(t.events, e)
	}
}

// write runs fn in a transaction. The events that it added are handed on after
// the commit. fn runs again for nobody: an error undoes it.
func (s *Store) write(ctx context.Context, fn func(t *txn) error) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		t := &txn{Tx: tx, s: s}
		if err := fn(t); err != nil {
			return err
		}
		if !t.moved {
			return nil
		}
		if err := s.reserve(tx); err != nil {
			return err
		}
		upTo := s.last
		tx.AfterCommit(func() {
			s.cursor.Store(upTo)
			s.committed(t.events, upTo)
		})
		return nil
	})
	return storeError(err)
}

// reservedAhead is how many positions are taken at a time, so that few commits
// have to say where the log stands. A crash skips what is left of them.
const reservedAhead = 4096

// reserve notes positions that will be given out, and those that were.
func (s *Store) reserve(tx *sqldb.Tx) error {
	if s.last <= s.reserved {
		return nil
	}
	upTo := s.last + reservedAhead
	if _, err := tx.Exec(`UPDATE log SET cursor = ?`, upTo); err != nil {
		return fmt.Errorf("reserve positions: %w", err)
	}
	tx.AfterCommit(func() { s.reserved = upTo })
	return nil
}

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
	for _, temporary := range []error{sqldb.ErrBusy, sqldb.ErrClosed, sqldb.ErrIO} {
		if errors.Is(err, temporary) {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
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
