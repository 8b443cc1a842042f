package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/sqldb"
)

// AddCode stores a code with its user's generation.
func (s *Store) AddCode(ctx context.Context, c account.Code, code account.Hash, old time.Time, limit int) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		u, err := sessionOwner(tx, c.UserID, c.Generation)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM code WHERE created_at < ?`, old.UnixMilli()); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM code WHERE code IN (SELECT code FROM code WHERE user_id = ? ORDER BY created_at DESC LIMIT `+all+` OFFSET ?)`,
			c.UserID, limit-1); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO code (code, user_id, app_id, service, scopes, redirect_uri, challenge, generation, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			code[:], c.UserID, c.AppID, c.Service, c.Scopes, c.RedirectURI, c.Challenge, u.Generation, c.CreatedAt.UnixMilli())
		return err
	})
}

// CodeByHash returns a code.
func (s *Store) CodeByHash(ctx context.Context, code account.Hash) (c account.Code, err error) {
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		c, _, err = codeByHash(q, code)
		return err
	})
	return c, err
}

func codeByHash(q sqldb.Queryer, code account.Hash) (c account.Code, sessionID string, err error) {
	var created int64
	err = q.QueryRow(`SELECT user_id, app_id, service, scopes, redirect_uri, challenge, generation, session_id IS NOT NULL, coalesce(session_id, ''), created_at FROM code WHERE code = ?`, code[:]).
		Scan(&c.UserID, &c.AppID, &c.Service, &c.Scopes, &c.RedirectURI, &c.Challenge, &c.Generation, &c.Used, &sessionID, &created)
	if err != nil {
		return account.Code{}, "", or(err, account.ErrCode)
	}
	c.CreatedAt = fromMilli(created)
	return c, sessionID, nil
}

// RedeemCode makes a session of a code, or ends the one that was made from it.
func (s *Store) RedeemCode(ctx context.Context, code account.Hash, v account.Session, token account.Hash, limit int) error {
	var again bool
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		again = false // a batch that fails runs a second time
		c, sessionID, err := codeByHash(tx, code)
		if err != nil {
			return err
		}
		if c.Used {
			again = true // not an error here: the end of the session is to be stored
			return s.endSessions(tx, `id = ?`, sessionID)
		}
		if _, err := tx.Exec(`UPDATE code SET session_id = ? WHERE code = ?`, v.ID, code[:]); err != nil {
			return err
		}
		return s.addSession(tx, v, token, c.Generation, limit)
	})
	if err == nil && again || errors.Is(err, account.ErrCredentials) {
		return account.ErrCode
	}
	return err
}
