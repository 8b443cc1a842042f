package sqlstore

import (
	"context"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// AddList makes a list.
func (d *DB) AddList(ctx context.Context, l store.List) (store.List, error) {
	err := d.db.Write(ctx, func(tx *tx) error {
		if err := bound(tx, store.MaxLists, `SELECT count(*) FROM lists WHERE owner_id = ?`, l.Owner); err != nil {
			return err
		}
		l.ID = tx.nextID()
		_, err := tx.Exec(`INSERT INTO lists (id, owner_id, title, replies, exclusive) VALUES (?, ?, ?, ?, ?)`, l.ID, l.Owner, l.Title, l.Replies, l.Exclusive)
		return err
	})
	return l, wrap("make list", err)
}

// EditList changes a list.
func (d *DB) EditList(ctx context.Context, l store.List) error {
	return d.changeRow(ctx, "change list", `UPDATE lists SET title = ?, replies = ?, exclusive = ? WHERE id = ? AND owner_id = ?`,
		l.Title, l.Replies, l.Exclusive, l.ID, l.Owner)
}

// DeleteList removes a list.
func (d *DB) DeleteList(ctx context.Context, owner, id int64) error {
	return d.changeRow(ctx, "delete list", `DELETE FROM lists WHERE id = ? AND owner_id = ?`, id, owner)
}

func (d *DB) readLists(ctx context.Context, where string, args ...any) (list []store.List, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err = collect(q, func(r sqldb.Rows) (l store.List, err error) {
			return l, r.Scan(&l.ID, &l.Owner, &l.Title, &l.Replies, &l.Exclusive)
		}, `SELECT id, owner_id, title, replies, exclusive FROM lists `+where, args...)
		return err
	})
	return list, wrap("read lists", err)
}

// List is one of owner's.
func (d *DB) List(ctx context.Context, owner, id int64) (store.List, error) {
	list, err := d.readLists(ctx, `WHERE id = ? AND owner_id = ?`, id, owner)
	if err == nil && len(list) == 0 {
		err = wrap("read list", store.ErrNotFound)
	}
	if err != nil {
		return store.List{}, err
	}
	return list[0], nil
}

// Lists are owner's.
func (d *DB) Lists(ctx context.Context, owner int64) ([]store.List, error) {
	return d.readLists(ctx, `WHERE owner_id = ? ORDER BY id`, owner)
}

// ListsWith are those of owner's that user is in.
func (d *DB) ListsWith(ctx context.Context, owner, user int64) ([]store.List, error) {
	return d.readLists(ctx, `WHERE owner_id = ? AND EXISTS (SELECT 1 FROM list_members WHERE list_id = lists.id AND user_id = ?) ORDER BY id`, owner, user)
}

func ownsList(tx *tx, owner, list int64) error {
	var one int
	return tx.QueryRow(`SELECT 1 FROM lists WHERE id = ? AND owner_id = ?`, list, owner).Scan(&one)
}

// AddMembers adds people whom the owner follows.
func (d *DB) AddMembers(ctx context.Context, owner, list int64, users []int64) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		if err := ownsList(tx, owner, list); err != nil {
			return err
		}
		for _, user := range users {
			if err := bound(tx, store.MaxMembers, `SELECT count(*) FROM list_members WHERE list_id = ?`, list); err != nil {
				return err
			}
			f, err := oneFollow(tx, owner, user)
			if err != nil {
				return err
			}
			if f.State != store.Following && user != owner {
				return store.ErrNotFound
			}
			if _, err := tx.Exec(`INSERT INTO list_members (list_id, user_id, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, list, user, tx.nextID()); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("add to list", err)
}

// RemoveMembers takes people out of a list.
func (d *DB) RemoveMembers(ctx context.Context, owner, list int64, users []int64) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		if err := ownsList(tx, owner, list); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM list_members WHERE list_id = ? AND user_id IN (SELECT value FROM json_each(?))`, list, jsonList(users))
		return err
	})
	return wrap("take out of list", err)
}
