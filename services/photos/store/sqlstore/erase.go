package sqlstore

import (
	"context"
	"errors"

	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/services/photos/store"
)

// Erase removes what is user's, a part of it at a time so that others can write
// in between.
func (d *DB) Erase(ctx context.Context, user int64, limit int) (gone []store.Media, more bool, err error) {
	err = d.db.Write(ctx, func(tx *sqlite.Tx) error {
		gone, err = readMedia(tx, `WHERE m.owner_id = ? ORDER BY m.id LIMIT ?`, user, limit)
		if err != nil {
			return err
		}
		for _, m := range gone {
			if err := removeMedia(tx, m); err != nil {
				return err
			}
		}
		// Posts whose pictures are not gone yet are left for the next call.
		res, err := tx.Exec(`DELETE FROM statuses WHERE id IN (SELECT id FROM statuses s WHERE author_id = ?
			AND NOT EXISTS (SELECT 1 FROM media WHERE status_id = s.id) ORDER BY id LIMIT ?)`, user, limit)
		if err != nil {
			return err
		}
		posts, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if more = len(gone) == limit || posts == int64(limit); more {
			return nil
		}
		_, err = tx.Exec(`DELETE FROM profiles WHERE user_id = ?`, user)
		return err
	})
	return gone, more, wrap("erase", err)
}

// Cursor is 0 before the first SetCursor.
func (d *DB) Cursor(ctx context.Context) (seq int64, err error) {
	err = d.db.Read(ctx, func(q sqlite.Queryer) error {
		return q.QueryRow(`SELECT seq FROM cursor`).Scan(&seq)
	})
	if errors.Is(err, sqlite.ErrNoRows) {
		err = nil
	}
	return seq, wrap("read cursor", err)
}

// SetCursor keeps how far the log was followed.
func (d *DB) SetCursor(ctx context.Context, seq int64) error {
	return wrap("keep cursor", d.db.Write(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO cursor (id, seq) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET seq = excluded.seq`, seq)
		return err
	}))
}
