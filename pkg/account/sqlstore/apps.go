package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/sqldb"
)

// AddApp stores an app with the next ID, where there is room or can be made.
func (s *Store) AddApp(ctx context.Context, a account.App, secret account.Hash, limit int, idle time.Time) (account.App, error) {
	redirects, err := json.Marshal(a.RedirectURIs)
	if err != nil {
		return account.App{}, err
	}
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if err := s.makeRoom(tx, a.Service, limit, idle); err != nil {
			return err
		}
		var last int64
		if err := tx.QueryRow(`SELECT coalesce(max(id), 0) FROM app`).Scan(&last); err != nil {
			return err
		}
		a.ID = account.NextID(last, a.CreatedAt)
		_, err := tx.Exec(`INSERT INTO app (id, service, client_id, secret, name, website, redirect_uris, scopes, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			a.ID, a.Service, a.ClientID, secret[:], a.Name, a.Website, string(redirects), a.Scopes, a.CreatedAt.UnixMilli())
		return err
	})
	if err != nil {
		return account.App{}, err
	}
	return a, nil
}

// makeRoom deletes the idle apps of a service that has limit apps.
func (s *Store) makeRoom(tx *sqldb.Tx, service string, limit int, idle time.Time) error {
	var n int
	if err := tx.QueryRow(`SELECT count(*) FROM app WHERE service = ?`, service).Scan(&n); err != nil || n < limit {
		return err
	}
	res, err := tx.Exec(`DELETE FROM app WHERE service = ? AND created_at < ?
		AND NOT EXISTS (SELECT 1 FROM session WHERE app_id = app.id AND app_id <> 0 AND user_id <> 0)
		AND NOT EXISTS (SELECT 1 FROM code WHERE app_id = app.id)`, service, idle.UnixMilli())
	if err != nil {
		return err
	}
	gone, err := res.RowsAffected()
	switch {
	case err != nil:
		return err
	case int64(n)-gone >= int64(limit):
		return account.ErrTooManyApps
	}
	return s.endSessions(tx, `user_id = 0 AND app_id NOT IN (SELECT id FROM app)`)
}

// AppByClientID returns an app of a service, with the hash of its secret.
func (s *Store) AppByClientID(ctx context.Context, service, clientID string) (account.App, account.Hash, error) {
	return s.app(ctx, `client_id = ? AND service = ?`, clientID, service)
}

// AppByID returns an app.
func (s *Store) AppByID(ctx context.Context, id int64) (account.App, error) {
	a, _, err := s.app(ctx, `id = ?`, id)
	return a, err
}

func (s *Store) app(ctx context.Context, where string, args ...any) (a account.App, secret account.Hash, err error) {
	var (
		redirects string
		hash      []byte
		created   int64
	)
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT id, service, client_id, secret, name, website, redirect_uris, scopes, created_at FROM app WHERE `+where, args...).
			Scan(&a.ID, &a.Service, &a.ClientID, &hash, &a.Name, &a.Website, &redirects, &a.Scopes, &created)
	})
	if err == nil {
		err = json.Unmarshal([]byte(redirects), &a.RedirectURIs)
	}
	if err != nil {
		return account.App{}, account.Hash{}, or(err, account.ErrApp)
	}
	copy(secret[:], hash)
	a.CreatedAt = fromMilli(created)
	return a, secret, nil
}
