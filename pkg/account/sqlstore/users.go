package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/sqldb"
)

const (
	userColumns = `id, username, name, about, avatar, avatar_service, last_seen, receipts, role, suspended, deleted_at IS NOT NULL, generation, created_at`
	alive       = ` AND deleted_at IS NULL`
)

// scanner is a Row or Rows.
type scanner interface{ Scan(dest ...any) error }

func scanUser(r scanner, more ...any) (u account.User, err error) {
	var created int64
	err = r.Scan(append([]any{
		&u.ID, &u.Username, &u.Name, &u.About, &u.Avatar, &u.AvatarService, &u.LastSeen, &u.Receipts,
		&u.Role, &u.Suspended, &u.Deleted, &u.Generation, &created,
	}, more...)...)
	u.CreatedAt = fromMilli(created)
	return u, err
}

func scanUserRow(r sqldb.Rows) (account.User, error) { return scanUser(r) }

// AddUser stores a user with the next ID.
func (s *Store) AddUser(ctx context.Context, u account.User, hash string, invite *account.Hash) (account.User, error) {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		var last int64
		if err := tx.QueryRow(`SELECT coalesce(max(id), 0) FROM "user"`).Scan(&last); err != nil {
			return err
		}
		u.ID = account.NextID(last, u.CreatedAt)
		_, err := tx.Exec(`INSERT INTO "user" (id, username, name, folded, about, avatar, avatar_service, last_seen, receipts, role, generation, hash, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			u.ID, u.Username, u.Name, strings.ToLower(u.Name), u.About, u.Avatar, u.AvatarService, u.LastSeen, u.Receipts, u.Role, u.Generation, hash, u.CreatedAt.UnixMilli())
		if errors.Is(err, sqldb.ErrUnique) {
			return account.ErrTaken
		}
		if err != nil || invite == nil {
			return err
		}
		return useInvite(tx, *invite, u.CreatedAt)
	})
	if err != nil {
		return account.User{}, err
	}
	return u, nil
}

func useInvite(tx *sqldb.Tx, code account.Hash, now time.Time) error {
	res, err := tx.Exec(`UPDATE invite SET uses = uses - 1 WHERE code = ? AND uses > 0 AND (expires_at IS NULL OR expires_at > ?)`,
		code[:], now.UnixMilli())
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, account.ErrInvite)
	}
	return nil
}

// AddInvite stores an invite and drops those that nobody can use.
func (s *Store) AddInvite(ctx context.Context, code account.Hash, uses int, expires time.Time) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(`DELETE FROM invite WHERE uses = 0 OR expires_at <= ?`, s.steady.Now().UnixMilli()); err != nil {
			return err
		}
		var exp *int64
		if !expires.IsZero() {
			ms := expires.UnixMilli()
			exp = &ms
		}
		_, err := tx.Exec(`INSERT INTO invite (code, uses, expires_at) VALUES (?, ?, ?)`, code[:], uses, exp)
		return err
	})
}

// UserByID returns a user who was not deleted.
func (s *Store) UserByID(ctx context.Context, id int64) (u account.User, err error) {
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		u, err = userByID(q, id)
		return err
	})
	return u, err
}

func userByID(q sqldb.Queryer, id int64) (account.User, error) {
	u, err := scanUser(q.QueryRow(`SELECT `+userColumns+` FROM "user" WHERE id = ?`+alive, id))
	if err != nil {
		return account.User{}, or(err, account.ErrNotFound)
	}
	return u, nil
}

// Credentials returns a user who was not deleted, with the password's hash.
func (s *Store) Credentials(ctx context.Context, username string) (u account.User, hash string, err error) {
	err = s.db.Read(ctx, func(q sqldb.Queryer) error {
		row := q.QueryRow(`SELECT `+userColumns+`, hash FROM "user" WHERE username = ?`+alive, username)
		u, err = scanUser(row, &hash)
		return err
	})
	if err != nil {
		return account.User{}, "", or(err, account.ErrNotFound)
	}
	return u, hash, nil
}

// UsersByID returns users, also deleted ones.
func (s *Store) UsersByID(ctx context.Context, ids []int64) ([]account.User, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	arg, err := json.Marshal(ids) // one text for any number of ids
	if err != nil {
		return nil, err
	}
	return list(ctx, s.db, scanUserRow, `SELECT `+userColumns+` FROM "user" WHERE id IN (`+listed(s.db.Dialect())+`)`, string(arg))
}

// afterAll sorts behind everything that a username or a name can go on with.
const afterAll = "\U0010ffff"

// FindUsers searches usernames by their beginning and names by any part.
func (s *Store) FindUsers(ctx context.Context, q string, limit int) ([]account.User, error) {
	query, args := findUsers(s.db.Dialect()), []any{q, q + afterAll, limit}
	if s.db.Dialect() == sqldb.Postgres {
		part := q
		if runes := []rune(q); len(runes) > partLength {
			part = string(runes[:partLength])
		}
		args = append(args, part, part+afterAll)
	}
	return list(ctx, s.db, scanUserRow, `SELECT `+userColumns+` FROM "user" WHERE `+query, args...)
}

// ListUsers returns users by username.
func (s *Store) ListUsers(ctx context.Context, after string, limit int) ([]account.User, error) {
	return list(ctx, s.db, scanUserRow, `SELECT `+userColumns+` FROM "user" WHERE username > ?`+alive+` ORDER BY username LIMIT ?`, after, limit)
}

// SetProfile changes what is not nil.
func (s *Store) SetProfile(ctx context.Context, id int64, e account.ProfileEdit) (u account.User, err error) {
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if u, err = userByID(tx, id); err != nil {
			return err
		}
		set(&u.Name, e.Name)
		set(&u.About, e.About)
		set(&u.LastSeen, e.LastSeen)
		set(&u.Receipts, e.Receipts)
		if e.Avatar != nil {
			u.Avatar, u.AvatarService = *e.Avatar, e.Service
		}
		_, err := tx.Exec(`UPDATE "user" SET name = ?, folded = ?, about = ?, avatar = ?, avatar_service = ?, last_seen = ?, receipts = ? WHERE id = ?`,
			u.Name, strings.ToLower(u.Name), u.About, u.Avatar, u.AvatarService, u.LastSeen, u.Receipts, id)
		if err != nil {
			return err
		}
		return s.log(tx, account.Change{Kind: account.Profile, UserID: id})
	})
	if err != nil {
		return account.User{}, err
	}
	return u, nil
}

func set[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

// SetPassword changes the hash and ends sessions.
func (s *Store) SetPassword(ctx context.Context, id int64, hash, keep string) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := userByID(tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE "user" SET hash = ? WHERE id = ?`, hash, id); err != nil {
			return err
		}
		if _, err := nextGeneration(tx, id); err != nil {
			return err
		}
		if err := s.endSessions(tx, `user_id = ? AND id <> ?`, id, keep); err != nil {
			return err
		}
		return s.log(tx, account.Change{Kind: account.PasswordSet, UserID: id})
	})
}

// SetHash replaces a hash, unless it was replaced already.
func (s *Store) SetHash(ctx context.Context, id int64, old, hash string) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE "user" SET hash = ? WHERE id = ? AND hash = ?`+alive, hash, id, old)
		return err
	})
}

// SetRole changes the role.
func (s *Store) SetRole(ctx context.Context, id int64, role account.Role) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		u, err := userByID(tx, id)
		if err != nil || u.Role == role {
			return err
		}
		if _, err := tx.Exec(`UPDATE "user" SET role = ? WHERE id = ?`, role, id); err != nil {
			return err
		}
		return s.log(tx, account.Change{Kind: account.RoleSet, UserID: id})
	})
}

// SetSuspended suspends or ends it.
func (s *Store) SetSuspended(ctx context.Context, id int64, suspended bool) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		u, err := userByID(tx, id)
		if err != nil || u.Suspended == suspended {
			return err
		}
		if _, err := tx.Exec(`UPDATE "user" SET suspended = ? WHERE id = ?`, suspended, id); err != nil {
			return err
		}
		kind := account.Unsuspended
		if suspended {
			kind = account.Suspended
		}
		return s.log(tx, account.Change{Kind: kind, UserID: id})
	})
}

// DeleteUser leaves a tombstone.
func (s *Store) DeleteUser(ctx context.Context, id int64) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := userByID(tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE "user" SET name = '', folded = '', about = '', avatar = '', avatar_service = '', last_seen = '', receipts = 0,
			role = 'user', generation = 0, hash = '', suspended = 0, deleted_at = ? WHERE id = ?`, time.Now().UnixMilli(), id); err != nil {
			return err
		}
		for _, query := range []string{
			`DELETE FROM session WHERE user_id = ?`,
			`DELETE FROM code WHERE user_id = ?`,
			`DELETE FROM block WHERE user_id = ?1 OR other_id = ?1`,
			// Nothing before matters to a service that reads of the deletion.
			`DELETE FROM change WHERE user_id = ?1 OR other_id = ?1`,
		} {
			if _, err := tx.Exec(query, id); err != nil {
				return err
			}
		}
		return s.log(tx, account.Change{Kind: account.Deleted, UserID: id})
	})
}
