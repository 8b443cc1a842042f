package sqlstore

import (
	"context"

	"github.com/porticod/portico/services/photos/store"
)

// Erase removes what is user's, a part of it at a time so that others can write
// in between.
func (d *DB) Erase(ctx context.Context, user int64, limit int) (gone []store.Media, more bool, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
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
		if more, err = d.erasePosts(tx, user, limit); err != nil {
			return err
		}
		if more = more || len(gone) == limit; more {
			return nil
		}
		var portraits []store.Media
		if portraits, more, err = d.eraseSocial(tx, user, limit); err != nil || more {
			return err
		}
		gone = append(gone, portraits...)
		parts, err := eraseOwn(tx, user)
		if err != nil {
			return err
		}
		gone = append(gone, parts...)
		_, err = tx.Exec(`DELETE FROM profiles WHERE user_id = ?`, user)
		return err
	})
	return gone, more, wrap("erase", err)
}
