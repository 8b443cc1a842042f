package sqlstore

import (
	"context"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// AddUpload keeps an upload that nothing of arrived yet.
func (d *DB) AddUpload(ctx context.Context, u store.Upload, count int, quota int64) (store.Upload, error) {
	err := d.db.Write(ctx, func(tx *sqldb.Tx) error {
		u.ID, u.Offset, u.Media = d.nextID(), 0, 0
		var open, coming, used int64
		err := tx.QueryRow(`SELECT count(*), coalesce(sum(length), 0), coalesce((SELECT bytes FROM profiles WHERE user_id = ?1), 0)
			FROM uploads WHERE owner_id = ?1 AND media_id IS NULL AND expires > ?2`, u.Owner, d.now().UnixMilli()).Scan(&open, &coming, &used)
		switch {
		case err != nil:
			return err
		case open >= int64(count):
			return store.ErrUploads
		case quota > 0 && used+coming+u.Length > quota:
			return store.ErrQuota
		}
		_, err = tx.Exec(`INSERT INTO uploads (id, owner_id, length, offset, metadata, description, focus_x, focus_y, expires)
			VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?)`, u.ID, u.Owner, u.Length, u.Metadata, u.Description, u.FocusX, u.FocusY, u.Expires.UnixMilli())
		return err
	})
	return u, wrap("keep upload", err)
}

// settleUpload says what became of an upload. It cannot become two pictures.
func settleUpload(tx *sqldb.Tx, id, media int64) error {
	res, err := tx.Exec(`UPDATE uploads SET media_id = ? WHERE id = ? AND media_id IS NULL`, media, id)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	return err
}

// Upload returns an upload.
func (d *DB) Upload(ctx context.Context, id int64) (u store.Upload, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		var expires int64
		err := q.QueryRow(`SELECT id, owner_id, length, offset, metadata, description, focus_x, focus_y, expires, coalesce(media_id, 0) FROM uploads WHERE id = ?`, id).
			Scan(&u.ID, &u.Owner, &u.Length, &u.Offset, &u.Metadata, &u.Description, &u.FocusX, &u.FocusY, &expires, &u.Media)
		u.Expires = time.UnixMilli(expires)
		return err
	})
	return u, wrap("read upload", err)
}

// MoveUpload says how much of an upload is durable.
func (d *DB) MoveUpload(ctx context.Context, id, offset int64, expires time.Time) error {
	return d.execOne(ctx, "move upload", `UPDATE uploads SET offset = ?, expires = ? WHERE id = ? AND media_id IS NULL`, offset, expires.UnixMilli(), id)
}

// RemoveUpload forgets an upload.
func (d *DB) RemoveUpload(ctx context.Context, id int64) error {
	return d.execOne(ctx, "remove upload", `DELETE FROM uploads WHERE id = ?`, id)
}

// ExpireUploads forgets uploads that nobody goes on with.
func (d *DB) ExpireUploads(ctx context.Context, now time.Time, limit int) (ids []int64, err error) {
	err = d.db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		ids, err = collect(tx, scanUploadID, `SELECT id FROM uploads WHERE expires < ? ORDER BY expires LIMIT ?`, now.UnixMilli(), limit)
		if err == nil {
			_, err = tx.Exec(`DELETE FROM uploads WHERE id IN (SELECT value FROM json_each(?))`, jsonList(ids))
		}
		return err
	})
	return ids, wrap("expire uploads", err)
}

func scanUploadID(r sqldb.Rows) (id int64, err error) {
	err = r.Scan(&id)
	return id, err
}
