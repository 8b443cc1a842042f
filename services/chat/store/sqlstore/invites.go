package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// Invite implements store.Groups.
func (s *Store) Invite(ctx context.Context, by store.Person, conv store.ConvID, anew bool) (code string, err error) {
	err = s.write(ctx, func(t *txn) error {
		if _, err := admin(t, conv, by.ID); err != nil {
			return err
		}
		if err := t.QueryRow(`SELECT coalesce(invite, '') FROM conversations WHERE id = ?`, conv).Scan(&code); err != nil {
			return err
		}
		if code != "" && !anew {
			return nil
		}
		code = strings.ToLower(rand.Text())
		_, err := t.Exec(`UPDATE conversations SET invite = ? WHERE id = ?`, code, conv)
		return err
	})
	return code, err
}

// Uninvite implements store.Groups.
func (s *Store) Uninvite(ctx context.Context, by store.Person, conv store.ConvID) error {
	return s.write(ctx, func(t *txn) error {
		if _, err := admin(t, conv, by.ID); err != nil {
			return err
		}
		_, err := t.Exec(`UPDATE conversations SET invite = NULL WHERE id = ?`, conv)
		return err
	})
}

func invited(q sqldb.Queryer, code string) (conv store.ConvID, count int64, err error) {
	err = q.QueryRow(`SELECT id, count FROM conversations WHERE invite = ?`, code).Scan(&conv, &count)
	if errors.Is(err, sqldb.ErrNoRows) {
		err = store.ErrInvite
	}
	return conv, count, err
}

// Invited implements store.Groups.
func (s *Store) Invited(ctx context.Context, code string) (sum *store.Summary, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		conv, _, err := invited(q, code)
		if err != nil {
			return err
		}
		sum, err = shared(q, conv)
		return err
	})
	return sum, err
}

// Join implements store.Groups.
func (s *Store) Join(ctx context.Context, who store.Person, code string, limit int) (sum *store.Summary, joined bool, err error) {
	err = s.write(ctx, func(t *txn) error {
		conv, count, err := invited(t, code)
		if err != nil {
			return err
		}
		switch _, err := member(t, conv, who.ID); {
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrLeft):
			joined = true
			if err := join(t, conv, count, who, who, store.Member, limit); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		sum, err = summary(t, who.ID, conv)
		return err
	})
	return sum, joined, err
}
