package sqlstore

import (
	"context"
	"errors"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/sqldb"
)

// Follow notes a service. It writes only for a new one.
func (s *Store) Follow(ctx context.Context, service string) (cursor int64, err error) {
	const query = `SELECT cursor FROM follower WHERE service = ?`
	err = s.db.Read(ctx, func(q sqldb.Queryer) error { return q.QueryRow(query, service).Scan(&cursor) })
	if !errors.Is(err, sqldb.ErrNoRows) {
		return cursor, err
	}
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(`INSERT INTO follower (service, cursor) VALUES (?, 0) ON CONFLICT DO NOTHING`, service); err != nil {
			return err
		}
		return tx.QueryRow(query, service).Scan(&cursor)
	})
	return cursor, err
}

// Ack moves the position of a service forward.
func (s *Store) Ack(ctx context.Context, service string, cursor int64) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		last, err := number(tx, lastChange)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE follower SET cursor = ?1 WHERE service = ?2 AND cursor < ?1`, min(cursor, last), service)
		return err
	})
}

// Unfollow forgets a service.
func (s *Store) Unfollow(ctx context.Context, service string) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`DELETE FROM follower WHERE service = ?`, service)
		return err
	})
}

// An erasure is a deletion beside the positions of the services: nothing else is
// stored, so nothing can be lost.
const erasure = `SELECT c.seq, c.user_id, u.username, c.at FROM change c JOIN "user" u ON u.id = c.user_id WHERE c.kind = 'deleted' AND `

type follower struct {
	service string
	cursor  int64
}

// erasures runs a query that begins with erasure.
func erasures(q sqldb.Queryer, query string, args ...any) ([]account.Erasure, error) {
	followers, err := collect(q, func(r sqldb.Rows) (f follower, err error) {
		return f, r.Scan(&f.service, &f.cursor)
	}, `SELECT service, cursor FROM follower ORDER BY service`)
	if err != nil {
		return nil, err
	}
	return collect(q, func(r sqldb.Rows) (e account.Erasure, err error) {
		var at int64
		err = r.Scan(&e.Seq, &e.UserID, &e.Username, &at)
		e.At = fromMilli(at)
		for _, f := range followers {
			if f.cursor < e.Seq {
				e.Waiting = append(e.Waiting, f.service)
			}
		}
		return e, err
	}, query, args...)
}

// Erasure returns the deletion of a user.
func (s *Store) Erasure(ctx context.Context, userID int64) (e account.Erasure, err error) {
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		found, err := erasures(q, erasure+`c.user_id = ?`, userID)
		if err == nil && len(found) == 0 {
			err = account.ErrNotFound
		}
		if err == nil {
			e = found[0]
		}
		return err
	})
	return e, err
}

// Erasures returns deletions that a service has not acted on.
func (s *Store) Erasures(ctx context.Context, after int64, limit int) (out []account.Erasure, err error) {
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		out, err = erasures(q, erasure+`c.seq > ? AND c.seq > (SELECT min(cursor) FROM follower) ORDER BY c.seq LIMIT ?`, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
