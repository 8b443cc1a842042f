// Package sqlstore keeps the photos service's rows in an SQL database: a file of
// SQLite, or a schema of PostgreSQL, which several nodes may have open. It keeps
// no bytes of pictures.
package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/pkg/steady"
	"github.com/porticod/portico/services/photos/store"
)

// DB is a store.Store.
type DB struct {
	db     *database
	now    func() time.Time
	steady steady.Clock // of what is removed for good

	noticed int // notices so far; used by functions of Write only, which run one at a time
}

var _ store.Store = (*DB)(nil)

// Open opens the database at path and makes it where it is missing. now is the
// clock; nil: time.Now.
func Open(ctx context.Context, path string, log zerolog.Logger, now func() time.Time) (*DB, error) {
	return open(ctx, path, sqlite.Options{Log: log}, now)
}

func open(ctx context.Context, path string, opt sqlite.Options, now func() time.Time) (*DB, error) {
	opt.Migrations = Migrations(sqldb.SQLite)
	db, err := sqlite.Open(ctx, path, opt)
	if err != nil {
		return nil, err
	}
	d := On(db, now)
	if err := d.forgetHolders(ctx); err != nil { // the file is ours: whoever held something is gone
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// On returns the store in a database with the Migrations of its engine, which
// the store closes. now is the clock; nil: time.Now.
func On(db sqldb.DB, now func() time.Time) *DB {
	if now == nil {
		now = time.Now
	}
	d := &DB{db: &database{DB: db, now: now}, now: now, steady: steady.Clock{Read: now}}
	d.steady.Now() // steps count from here
	return d
}

// Shared tells whether other nodes may have the same rows.
func (d *DB) Shared() bool { return d.db.Dialect() == sqldb.Postgres }

// TimeOf is when an id was given.
func TimeOf(id int64) time.Time { return time.UnixMilli(id >> 16) }

// Check returns why the last commit failed, nil where it did not.
func (d *DB) Check() error { return d.db.Check() }

// Close ends the database.
func (d *DB) Close() error { return d.db.Close() }

// Secret returns the random bytes called name, made at the first call.
func (d *DB) Secret(ctx context.Context, name string) ([]byte, error) {
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails
	var value []byte
	err := d.db.Write(ctx, func(tx *tx) error {
		if _, err := tx.Exec(`INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, fresh); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT value FROM secrets WHERE name = ?`, name).Scan(&value)
	})
	return value, wrap("read secret", err)
}

// Totals counts.
func (d *DB) Totals(ctx context.Context) (t store.Totals, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT CAST(coalesce(sum(statuses), 0) AS bigint), count(*), (SELECT count(*) FROM media WHERE complete = 0)
			FROM profiles WHERE statuses > 0`).Scan(&t.Statuses, &t.Authors, &t.Incomplete)
	})
	return t, wrap("count posts", err)
}

// wrap names the action, and turns a missing row into ErrNotFound.
func wrap(action string, err error) error {
	if errors.Is(err, sqldb.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", action, err)
}

// collect scans every row of a query with scan.
func collect[T any](q sqldb.Queryer, scan func(sqldb.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Reads is how often something was read so far, for tests of how often that is.
func (d *DB) Reads() int64 { return d.db.Stats().Reads }
