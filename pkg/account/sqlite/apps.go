package sqlite

import (
	"context"
	"encoding/json"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/sqlite"
)

// AddApp stores an app with the next ID.
func (s *Store) AddApp(ctx context.Context, a account.App, secret account.Hash) (account.App, error) {
	redirects, err := json.Marshal(a.RedirectURIs)
	if err != nil {
		return account.App{}, err
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
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
	err = s.db.Read(ctx, func(q sqlite.Queryer) error {
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
