package sqlstore

import (
	"context"
	"encoding/json"
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
		_, err := tx.Exec(`UPDATE follower SET cursor = max(cursor, min(?, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'change'), 0))) WHERE service = ?`,
			cursor, service)
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
const erasure = `SELECT c.seq, c.user_id, u.username, c.at,
		(SELECT json_group_array(service) FROM (SELECT service FROM follower WHERE cursor < c.seq ORDER BY service))
	FROM change c JOIN user u ON u.id = c.user_id WHERE c.kind = 'deleted' AND `

func scanErasure(r scanner) (e account.Erasure, err error) {
	var at int64
	var waiting string
	if err = r.Scan(&e.Seq, &e.UserID, &e.Username, &at, &waiting); err != nil {
		return e, err
	}
	e.At = fromMilli(at)
	if err = json.Unmarshal([]byte(waiting), &e.Waiting); len(e.Waiting) == 0 {
		e.Waiting = nil
	}
	return e, err
}

// Erasure returns the deletion of a user.
func (s *Store) Erasure(ctx context.Context, userID int64) (e account.Erasure, err error) {
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		e, err = scanErasure(q.QueryRow(erasure+`c.user_id = ?`, userID))
		return err
	})
	if err != nil {
		return account.Erasure{}, or(err, account.ErrNotFound)
	}
	return e, nil
}

// Erasures returns deletions that a service has not acted on.
func (s *Store) Erasures(ctx context.Context, after int64, limit int) ([]account.Erasure, error) {
	return list(ctx, s.db, func(r sqldb.Rows) (account.Erasure, error) { return scanErasure(r) },
		erasure+`c.seq > ? AND c.seq > (SELECT min(cursor) FROM follower) ORDER BY c.seq LIMIT ?`, after, limit)
}
