package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/sqldb"
)

const sessionColumns = `id, user_id, service, device, scopes, app_id, created_at, seen_at`

func scanSession(r scanner) (v account.Session, err error) {
	var created, seen int64
	err = r.Scan(&v.ID, &v.UserID, &v.Service, &v.Device, &v.Scopes, &v.AppID, &created, &seen)
	v.CreatedAt, v.SeenAt = fromMilli(created), fromMilli(seen)
	return v, err
}

func scanSessionRow(r sqldb.Rows) (account.Session, error) { return scanSession(r) }

// AddSession stores a session and ends the oldest beyond limit.
func (s *Store) AddSession(ctx context.Context, v account.Session, token account.Hash, generation int64, limit int) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error { return s.addSession(tx, v, token, generation, limit) })
}

func (s *Store) addSession(tx *sqldb.Tx, v account.Session, token account.Hash, generation int64, limit int) error {
	if v.UserID != 0 {
		if _, err := sessionOwner(tx, v.UserID, generation); err != nil {
			return err
		}
	}
	err := s.endSessions(tx, `id IN (SELECT id FROM session WHERE user_id = ? AND service = ? AND app_id = ? ORDER BY seen_at DESC, created_at DESC LIMIT `+all+` OFFSET ?)`,
		v.UserID, v.Service, v.AppID, limit-1)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO session (token, `+sessionColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		token[:], v.ID, v.UserID, v.Service, v.Device, v.Scopes, v.AppID, v.CreatedAt.UnixMilli(), v.SeenAt.UnixMilli())
	return err
}

// sessionOwner returns a user who may have sessions, of this generation unless
// it is 0.
func sessionOwner(q sqldb.Queryer, id, generation int64) (account.User, error) {
	u, err := userByID(q, id)
	switch {
	case err != nil:
		return account.User{}, err
	case u.Suspended:
		return account.User{}, account.ErrSuspended
	case generation != 0 && generation != u.Generation:
		return account.User{}, account.ErrCredentials
	}
	return u, nil
}

// SessionByToken returns a session with its user.
func (s *Store) SessionByToken(ctx context.Context, token account.Hash) (u account.User, v account.Session, err error) {
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		v, err = scanSession(q.QueryRow(`SELECT `+sessionColumns+` FROM session WHERE token = ?`, token[:]))
		if err != nil || v.UserID == 0 {
			return or(err, account.ErrToken)
		}
		u, err = userByID(q, v.UserID)
		return err
	})
	if errors.Is(err, account.ErrNotFound) {
		err = account.ErrToken // cannot be: they are deleted together
	}
	return u, v, err
}

// SessionsOf returns a user's sessions.
func (s *Store) SessionsOf(ctx context.Context, userID int64, service string) ([]account.Session, error) {
	return list(ctx, s.db, scanSessionRow, `SELECT `+sessionColumns+` FROM session WHERE user_id = ?1 AND (?2 = '' OR service = ?2) ORDER BY seen_at DESC, created_at DESC, id`, userID, service)
}

// SetSeen only moves times forward, unless the clock was ahead: what would stay
// the last seen for years is not.
func (s *Store) SetSeen(ctx context.Context, seen map[string]time.Time) error {
	type pair [2]any // its id and the time
	pairs := make([]pair, 0, len(seen))
	for id, at := range seen {
		pairs = append(pairs, pair{id, at.UnixMilli()})
	}
	arg, err := json.Marshal(pairs) // thousands in one statement
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE session SET seen_at = v.at
			FROM (SELECT value->>0 AS id, CAST(value->>1 AS bigint) AS at FROM `+each(s.db.Dialect())+`) v
			WHERE session.id = v.id AND (seen_at < v.at OR seen_at > v.at + ?2)`, string(arg), account.MaxAhead.Milliseconds())
		return err
	})
}

// EndSession ends one session.
func (s *Store) EndSession(ctx context.Context, userID int64, service, id string) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		var n int
		err := tx.QueryRow(`SELECT count(*) FROM session WHERE id = ?1 AND user_id = ?2 AND (?3 = '' OR service = ?3)`, id, userID, service).Scan(&n)
		if err != nil {
			return err
		}
		if n == 0 {
			return account.ErrToken
		}
		return s.endSessions(tx, `id = ?`, id)
	})
}

// EndSessions ends all of a user's sessions at a service but keep.
func (s *Store) EndSessions(ctx context.Context, userID int64, service, keep string) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		err := s.endSessions(tx, `user_id = ?1 AND (?2 = '' OR service = ?2) AND id <> ?3`, userID, service, keep)
		if err != nil || service != "" {
			return err
		}
		there, err := nextGeneration(tx, userID)
		if err != nil || !there {
			return err
		}
		return s.log(tx, account.Change{Kind: account.SessionsEnded, UserID: userID})
	})
}

// nextGeneration makes what was granted before worthless: users that were signed
// in but have no session yet, and codes. It reports whether there is such a user.
func nextGeneration(tx *sqldb.Tx, userID int64) (bool, error) {
	res, err := tx.Exec(`UPDATE "user" SET generation = generation + 1 WHERE id = ?`+alive, userID)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// endSessions ends the sessions that where selects, and logs each.
func (s *Store) endSessions(tx *sqldb.Tx, where string, args ...any) error {
	gone, err := collect(tx, scanSessionRow, `SELECT `+sessionColumns+` FROM session WHERE `+where, args...)
	if err != nil {
		return err
	}
	for _, v := range gone {
		if _, err := tx.Exec(`DELETE FROM session WHERE id = ?`, v.ID); err != nil {
			return err
		}
		c := account.Change{Kind: account.SessionEnded, UserID: v.UserID, SessionID: v.ID, Service: v.Service}
		if err := s.log(tx, c); err != nil {
			return err
		}
	}
	return nil
}
