package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// AddUpload keeps an upload that nothing of arrived yet.
func (d *DB) AddUpload(ctx context.Context, u store.Upload, count int, quota int64) (store.Upload, error) {
	err := d.db.Write(ctx, func(tx *tx) error {
		u.ID, u.Offset, u.Media = tx.nextID(), 0, 0
		var open, coming, used int64
		err := tx.QueryRow(`SELECT count(*), CAST(coalesce(sum(length), 0) AS bigint), coalesce((SELECT bytes FROM profiles WHERE user_id = ?1), 0)
			FROM uploads WHERE owner_id = ?1 AND media_id IS NULL AND expires > ?2`, u.Owner, d.now().UnixMilli()).Scan(&open, &coming, &used)
		switch {
		case err != nil:
			return err
		case open >= int64(count):
			return store.ErrUploads
		case quota > 0 && used+coming+u.Length > quota:
			return store.ErrQuota
		}
		_, err = tx.Exec(`INSERT INTO uploads (id, owner_id, length, "offset", metadata, description, focus_x, focus_y, expires)
			VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?)`, u.ID, u.Owner, u.Length, u.Metadata, u.Description, u.FocusX, u.FocusY, u.Expires.UnixMilli())
		return err
	})
	return u, wrap("keep upload", err)
}

// settleUpload says what became of an upload. It cannot become two pictures.
func settleUpload(tx *tx, id, media int64) error {
	res, err := tx.Exec(`UPDATE uploads SET media_id = ? WHERE id = ? AND media_id IS NULL`, media, id)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(store.ErrNotFound, err)
	}
	_, err = tx.Exec(`DELETE FROM upload_parts WHERE upload_id = ?`, id)
	return err
}

// Upload returns an upload.
func (d *DB) Upload(ctx context.Context, id int64) (u store.Upload, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		var expires int64
		err := q.QueryRow(`SELECT id, owner_id, length, "offset", metadata, description, focus_x, focus_y, expires, coalesce(media_id, 0) FROM uploads WHERE id = ?`, id).
			Scan(&u.ID, &u.Owner, &u.Length, &u.Offset, &u.Metadata, &u.Description, &u.FocusX, &u.FocusY, &expires, &u.Media)
		u.Expires = time.UnixMilli(expires)
		return err
	})
	return u, wrap("read upload", err)
}

// AddPart keeps what came of an upload at its offset.
func (d *DB) AddPart(ctx context.Context, id int64, p store.Part, expires time.Time) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		res, err := tx.Exec(`UPDATE uploads SET "offset" = ?1 + ?2, expires = ?3 WHERE id = ?4 AND "offset" = ?1 AND ?1 + ?2 <= length AND media_id IS NULL`,
			p.At, p.Bytes, expires.UnixMilli(), id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(store.ErrNotFound, err)
		}
		if err := bound(tx, store.MaxParts, `SELECT count(*) FROM upload_parts WHERE upload_id = ?`, id); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO upload_parts (upload_id, at, hash, bytes) VALUES (?, ?, ?, ?)`, id, p.At, p.Hash, p.Bytes)
		return err
	})
	return wrap("keep part", err)
}

// Parts are what came of an upload, in order.
func (d *DB) Parts(ctx context.Context, id int64) (list []store.Part, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		list, err = collect(q, scanPart, partColumns+`WHERE upload_id = ? ORDER BY at`, id)
		return err
	})
	return list, wrap("read parts", err)
}

const partColumns = `SELECT at, hash, bytes FROM upload_parts `

func scanPart(r sqldb.Rows) (p store.Part, err error) { return p, r.Scan(&p.At, &p.Hash, &p.Bytes) }

// dropUploads forgets uploads, and returns what they had.
func dropUploads(tx *tx, ids []int64) (parts []store.Part, err error) {
	list := jsonList(ids)
	parts, err = collect(tx, scanPart, partColumns+`WHERE upload_id IN (SELECT value FROM json_each(?)) ORDER BY upload_id, at`, list)
	if err == nil {
		_, err = tx.Exec(`DELETE FROM uploads WHERE id IN (SELECT value FROM json_each(?))`, list)
	}
	return parts, err
}

// RemoveUpload forgets an upload.
func (d *DB) RemoveUpload(ctx context.Context, id int64) (parts []store.Part, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		var one int64
		if err := tx.QueryRow(`SELECT id FROM uploads WHERE id = ?`, id).Scan(&one); err != nil {
			return err
		}
		parts, err = dropUploads(tx, []int64{id})
		return err
	})
	return parts, wrap("remove upload", err)
}

// ExpireUploads forgets uploads that nobody goes on with.
func (d *DB) ExpireUploads(ctx context.Context, now time.Time, limit int) (n int, parts []store.Part, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		ids, err := collect(tx, scanID, `SELECT id FROM uploads WHERE expires < ? ORDER BY expires LIMIT ?`, now.UnixMilli(), limit)
		if err != nil {
			return err
		}
		n = len(ids)
		parts, err = dropUploads(tx, ids)
		return err
	})
	return n, parts, wrap("expire uploads", err)
}
