// Package sqlstore keeps accounts in one SQLite database. It decides nothing: the
// rules are in package account.
package sqlstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/pkg/steady"
)

//go:embed migrations/*.sql
var migrations embed.FS

// keepSessionEnds is how long the log has the ends of sessions. They matter only
// to connections that were open then.
const keepSessionEnds = 7 * 24 * time.Hour

// Store is an account.Store.
type Store struct {
	db     sqldb.DB
	notify func(account.Change)
	steady steady.Clock // of what is removed for good
}

var _ account.Store = (*Store)(nil)

// Open opens the database at path, which is made where it is missing. The caller
// closes it.
func Open(ctx context.Context, path string, log zerolog.Logger) (*Store, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: sub, Log: log})
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, notify: func(account.Change) {}}
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec("DELETE FROM change WHERE kind = ? AND at < ?",
			account.SessionEnded, s.steady.Now().Add(-keepSessionEnds).UnixMilli())
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open accounts: %w", err), db.Close())
	}
	return s, nil
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Notify sets whom changes are told to.
func (s *Store) Notify(fn func(account.Change)) { s.notify = fn }

// Changes returns a part of the log.
func (s *Store) Changes(ctx context.Context, after int64, limit int) ([]account.Change, error) {
	const query = `SELECT seq, kind, user_id, other_id, session_id, service, at FROM change WHERE seq > ? ORDER BY seq LIMIT ?`
	return list(ctx, s.db, func(r sqldb.Rows) (c account.Change, err error) {
		var at int64
		err = r.Scan(&c.Seq, &c.Kind, &c.UserID, &c.OtherID, &c.SessionID, &c.Service, &at)
		c.At = fromMilli(at)
		return c, err
	}, query, after, limit)
}

// LastChange is the highest position ever given, also where its entry is gone.
func (s *Store) LastChange(ctx context.Context) (seq int64, err error) {
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		err := q.QueryRow(`SELECT seq FROM sqlite_sequence WHERE name = 'change'`).Scan(&seq)
		if errors.Is(err, sqldb.ErrNoRows) {
			return nil
		}
		return err
	})
	return seq, err
}

// log writes an entry, and tells it after the commit.
func (s *Store) log(tx *sqldb.Tx, c account.Change) error {
	c.At = time.UnixMilli(time.Now().UnixMilli()).UTC()
	err := tx.QueryRow(`INSERT OR REPLACE INTO change (kind, user_id, other_id, session_id, service, at) VALUES (?, ?, ?, ?, ?, ?) RETURNING seq`,
		c.Kind, c.UserID, c.OtherID, c.SessionID, c.Service, c.At.UnixMilli()).Scan(&c.Seq)
	if err != nil {
		return err
	}
	tx.AfterCommit(func() { s.notify(c) })
	return nil
}

// list runs a query and scans every row of it.
func list[T any](ctx context.Context, db sqldb.DB, scan func(sqldb.Rows) (T, error), query string, args ...any) (out []T, err error) {
	err = db.Read(ctx, func(q sqldb.Queryer) error {
		out, err = collect(q, scan, query, args...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func collect[T any](q sqldb.Queryer, scan func(sqldb.Rows) (T, error), query string, args ...any) (out []T, err error) {
	rows, err := q.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// or turns ErrNoRows into the error that stands for it here.
func or(err, none error) error {
	if errors.Is(err, sqldb.ErrNoRows) {
		return none
	}
	return err
}
