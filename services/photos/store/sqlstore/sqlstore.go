// Package sqlstore keeps the photos service's rows in one SQLite file. It keeps
// no bytes of pictures.
package sqlstore

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/pkg/steady"
	"github.com/porticod/portico/services/photos/store"
)

//go:embed migrations
var migrations embed.FS

// DB is a store.Store.
type DB struct {
	db     sqldb.DB
	now    func() time.Time
	steady steady.Clock // of what is removed for good
	lastID int64        // used by functions of Write only, which run one at a time

	onNotice func(store.Notice) // set before the store is used
	noticed  int                // notices so far; used as lastID is
}

var _ store.Store = (*DB)(nil)

// lastIDQuery is the greatest id that was given, of the tables whose ids order
// lists and may be the newest of all, and of what was removed from them.
const lastIDQuery = `SELECT max(
	coalesce((SELECT max(id) FROM statuses), 0), coalesce((SELECT max(id) FROM media), 0),
	coalesce((SELECT max(id) FROM marks), 0), coalesce((SELECT max(id) FROM notices), 0),
	coalesce((SELECT max(id) FROM tag_follows), 0), coalesce((SELECT max(id) FROM conversations), 0),
	coalesce((SELECT max(id) FROM follows), 0), coalesce((SELECT max(id) FROM mutes), 0),
	coalesce((SELECT max(id) FROM lists), 0), coalesce((SELECT max(id) FROM filters), 0),
	coalesce((SELECT max(id) FROM filter_keywords), 0), coalesce((SELECT max(id) FROM filter_statuses), 0),
	coalesce((SELECT max(id) FROM domain_blocks), 0), coalesce((SELECT max(id) FROM featured_tags), 0),
	coalesce((SELECT max(id) FROM stories), 0), coalesce((SELECT max(id) FROM uploads), 0),
	coalesce((SELECT max(id) FROM albums), 0), coalesce((SELECT max(id) FROM reports), 0),
	(SELECT id FROM removed WHERE one = 1))`

// Open opens the database at path and makes it where it is missing. now is the
// clock; nil: time.Now.
func Open(ctx context.Context, path string, log zerolog.Logger, now func() time.Time) (*DB, error) {
	return open(ctx, path, sqlite.Options{Log: log}, now)
}

func open(ctx context.Context, path string, opt sqlite.Options, now func() time.Time) (*DB, error) {
	var err error
	if opt.Migrations, err = fs.Sub(migrations, "migrations"); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, path, opt)
	if err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	d := &DB{db: db, now: now, steady: steady.Clock{Read: now}}
	d.steady.Now() // steps count from here
	err = db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(lastIDQuery).Scan(&d.lastID)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the last id: %w", err), db.Close())
	}
	return d, nil
}

// nextID is (unix ms << 16) | counter, above every id before it even where the
// clock went back. It is called within Write only, so that ids grow in the order
// of the commits.
func (d *DB) nextID() int64 {
	d.lastID = max(d.lastID+1, d.now().UnixMilli()<<16)
	return d.lastID
}

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
	err := d.db.Write(ctx, func(tx *sqldb.Tx) error {
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
		return q.QueryRow(`SELECT coalesce(sum(statuses), 0), count(*), (SELECT count(*) FROM media WHERE complete = 0)
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
