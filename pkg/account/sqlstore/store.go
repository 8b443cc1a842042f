// Package sqlstore keeps accounts in one SQL database. It decides nothing: the
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
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/pkg/steady"
)

//go:embed migrations/*.sql migrations/postgres/*.sql
var migrations embed.FS

// Migrations are those of an engine, for who opens the database of On.
func Migrations(d sqldb.Dialect) fs.FS {
	sub, err := fs.Sub(migrations, d.Pick("migrations", "migrations/postgres"))
	if err != nil {
		return nil // cannot be: it is embedded
	}
	return sub
}

// keepSessionEnds is how long the log has the ends of sessions. They matter only
// to connections that were open then.
const keepSessionEnds = 7 * 24 * time.Hour

// Store is an account.Store.
type Store struct {
	db     sqldb.DB
	feed   feed
	steady steady.Clock // of what is removed for good
}

var (
	_ account.Store   = (*Store)(nil)
	_ account.Carrier = (*Store)(nil)
)

// Options say what a Store works with besides its database.
type Options struct {
	Log zerolog.Logger
	// Bus has other nodes learn of changes at once; nil: within a second.
	Bus bus.Bus
}

// Open opens the SQLite database at path, which is made where it is missing. The
// caller closes it.
func Open(ctx context.Context, path string, log zerolog.Logger) (*Store, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: Migrations(sqldb.SQLite), Log: log})
	if err != nil {
		return nil, err
	}
	s, err := On(ctx, db, Options{Log: log})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// On returns a Store in a database that has the Migrations. Other nodes may have
// it open at the same time, where the engine allows that. The database is the
// Store's from then on, unless there was an error.
func On(ctx context.Context, db sqldb.DB, opt Options) (*Store, error) {
	s := &Store{db: db}
	var id int64
	err := db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		if _, err = tx.Exec("DELETE FROM change WHERE kind = ? AND at < ?",
			account.SessionEnded, s.steady.Now().Add(-keepSessionEnds).UnixMilli()); err != nil {
			return err
		}
		if id, err = number(tx, storeID); err != nil {
			return err
		}
		s.feed.told, err = number(tx, lastChange)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	s.feed.init(s.db, opt, fmt.Sprintf("accounts.%d", id))
	return s, nil
}

// Close closes the database.
func (s *Store) Close() error {
	s.feed.stop()
	return s.db.Close()
}

// Notify sets whom changes are told to, those of other nodes too.
func (s *Store) Notify(fn func(account.Change)) { s.feed.start(fn) }

// Tell and Hear implement account.Carrier.
func (s *Store) Tell(data []byte)       { s.feed.send(data) }
func (s *Store) Hear(fn func(d []byte)) { s.feed.hear(fn) }

// Changes returns a part of the log.
func (s *Store) Changes(ctx context.Context, after int64, limit int) (out []account.Change, err error) {
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		out, err = changes(q, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func changes(q sqldb.Queryer, after int64, limit int) ([]account.Change, error) {
	return collect(q, func(r sqldb.Rows) (c account.Change, err error) {
		var at int64
		err = r.Scan(&c.Seq, &c.Kind, &c.UserID, &c.OtherID, &c.SessionID, &c.Service, &at)
		c.At = fromMilli(at)
		return c, err
	}, `SELECT seq, kind, user_id, other_id, session_id, service, at FROM change WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
}

// LastChange is the highest position ever given, also where its entry is gone.
func (s *Store) LastChange(ctx context.Context) (seq int64, err error) {
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		seq, err = number(q, lastChange)
		return err
	})
	return seq, err
}

// log writes an entry, and tells it after the commit.
func (s *Store) log(tx *sqldb.Tx, c account.Change) error {
	c.At = time.UnixMilli(time.Now().UnixMilli()).UTC()
	before, err := s.feed.missed(tx)
	if err != nil {
		return err
	}
	if c.Seq, err = next(tx, lastChange); err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM change WHERE user_id = ? AND kind = ? AND session_id = ? AND other_id = ?`, c.UserID, c.Kind, c.SessionID, c.OtherID)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO change (seq, kind, user_id, other_id, session_id, service, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		c.Seq, c.Kind, c.UserID, c.OtherID, c.SessionID, c.Service, c.At.UnixMilli())
	if err != nil {
		return err
	}
	tx.AfterCommit(func() { s.feed.made(before, c) })
	return nil
}

// Names in the table number.
const (
	lastChange = "change" // the last position of the log
	lastBlock  = "block"  // the last ID of a block
	storeID    = "store"
)

// number returns a number by its name.
func number(q sqldb.Queryer, name string) (n int64, err error) {
	return n, q.QueryRow(`SELECT value FROM number WHERE name = ?`, name).Scan(&n)
}

// next returns the next number of a name. Whoever else has the database open gets
// a later one, and commits later.
func next(tx *sqldb.Tx, name string) (n int64, err error) {
	return n, tx.QueryRow(`UPDATE number SET value = value + 1 WHERE name = ? RETURNING value`, name).Scan(&n)
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
