package sqlstore

import (
	"context"
	"strconv"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// AddMedia keeps an unattached picture.
func (d *DB) AddMedia(ctx context.Context, m store.Media, quota int64) (store.Media, error) {
	err := d.db.Write(ctx, func(tx *tx) error {
		m.ID, m.Status, m.Visibility = tx.nextID(), 0, store.Unattached
		var used int64
		if err := tx.QueryRow(`SELECT coalesce((SELECT bytes FROM profiles WHERE user_id = ?), 0)`, m.Owner).Scan(&used); err != nil {
			return err
		}
		if quota > 0 && used+m.Bytes() > quota {
			return store.ErrQuota
		}
		_, err := tx.Exec(`INSERT INTO media (id, owner_id, loose_since, description, focus_x, focus_y, blurhash, hash, type, bytes, width, height, complete)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			m.ID, m.Owner, d.now().UnixMilli(), m.Description, m.FocusX, m.FocusY, m.Blurhash,
			m.Original.Hash, m.Original.Type, m.Original.Bytes, m.Original.Width, m.Original.Height, m.Complete)
		if err != nil {
			return err
		}
		for _, f := range m.Sizes {
			if _, err := addSize(tx, m.ID, f); err != nil {
				return err
			}
		}
		if m.Upload != 0 {
			if err := settleUpload(tx, m.Upload, m.ID); err != nil {
				return err
			}
			m.Upload = 0
		}
		if err := nextJob(tx, m.ID, len(m.Sizes) > 0, m.Complete, d.now()); err != nil {
			return err
		}
		return charge(tx, m.Owner, m.Bytes())
	})
	return m, wrap("keep picture", err)
}

// charge adds to the bytes that user's pictures take.
func charge(tx *tx, user, bytes int64) error {
	_, err := tx.Exec(`INSERT INTO profiles (user_id, bytes) VALUES (?, ?)
		ON CONFLICT (user_id) DO UPDATE SET bytes = profiles.bytes + excluded.bytes`, user, bytes)
	return err
}

func addSize(tx *tx, media int64, f store.File) (added bool, err error) {
	res, err := tx.Exec(`INSERT INTO sizes (media_id, width, height, hash, type, bytes) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		media, f.Width, f.Height, f.Hash, f.Type, f.Bytes)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// AddSizes adds steps of a picture's ladder.
func (d *DB) AddSizes(ctx context.Context, id int64, sizes []store.File, blurhash string, complete bool) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		var owner, bytes int64
		if err := tx.QueryRow(`SELECT owner_id FROM media WHERE id = ?`, id).Scan(&owner); err != nil {
			return err
		}
		for _, f := range sizes {
			added, err := addSize(tx, id, f)
			if err != nil {
				return err
			}
			if added {
				bytes += f.Bytes
			}
		}
		if _, err := tx.Exec(`UPDATE media SET complete = CASE WHEN complete = 1 THEN 1 ELSE ? END, blurhash = CASE WHEN blurhash = '' THEN ? ELSE blurhash END WHERE id = ?`, complete, blurhash, id); err != nil {
			return err
		}
		if err := nextJob(tx, id, len(sizes) > 0, complete, d.now()); err != nil {
			return err
		}
		return charge(tx, owner, bytes)
	})
	return wrap("keep sizes", err)
}

// mediaQuery selects what scanMedia scans.
const mediaQuery = `SELECT m.id, m.owner_id, coalesce(m.status_id, 0), coalesce(m.story_id, 0), coalesce(s.visibility, t.visibility, 0), coalesce(t.expires, 0),
	m.description, m.focus_x, m.focus_y, m.blurhash, m.hash, m.type, m.bytes, m.width, m.height, m.complete, m.problem
	FROM media m LEFT JOIN statuses s ON s.id = m.status_id LEFT JOIN stories t ON t.id = m.story_id `

func scanMedia(r sqldb.Rows) (m store.Media, err error) {
	var expires int64
	err = r.Scan(&m.ID, &m.Owner, &m.Status, &m.Story, &m.Visibility, &expires,
		&m.Description, &m.FocusX, &m.FocusY, &m.Blurhash, &m.Original.Hash, &m.Original.Type, &m.Original.Bytes,
		&m.Original.Width, &m.Original.Height, &m.Complete, &m.Problem)
	m.Expires = timeOrZero(expires)
	return m, err
}

// timeOrZero is the time of unix milliseconds; zero for 0.
func timeOrZero(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// A sizeRow is a step of some picture's ladder.
type sizeRow struct {
	media   int64
	variant bool
	store.File
}

func scanSize(r sqldb.Rows) (f sizeRow, err error) {
	err = r.Scan(&f.media, &f.variant, &f.Hash, &f.Type, &f.Bytes, &f.Width, &f.Height)
	return f, err
}

// readMedia runs mediaQuery with where and adds the sizes.
func readMedia(q sqldb.Queryer, where string, args ...any) ([]store.Media, error) {
	list, err := collect(q, scanMedia, mediaQuery+where, args...)
	if err != nil {
		return nil, err
	}
	at := make(map[int64]*store.Media, len(list))
	ids := make([]int64, len(list))
	for i := range list {
		ids[i], at[list[i].ID] = list[i].ID, &list[i]
	}
	sizes, err := collect(q, scanSize, `SELECT media_id, false, hash, type, bytes, width, height FROM sizes WHERE media_id IN (SELECT value FROM json_each(?1))
		UNION ALL SELECT media_id, true, hash, type, bytes, width, height FROM variants WHERE media_id IN (SELECT value FROM json_each(?1))
		ORDER BY 1, 2, 6`, jsonList(ids))
	if err != nil {
		return nil, err
	}
	for _, f := range sizes {
		m := at[f.media]
		if f.variant {
			m.Variants = append(m.Variants, f.File)
		} else {
			m.Sizes = append(m.Sizes, f.File)
		}
	}
	return list, nil
}

// jsonList is ids as json_each takes them: one text for any number of ids, so
// that the statement is prepared once.
func jsonList(ids []int64) string {
	b := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}

func oneMedia(q sqldb.Queryer, id int64) (store.Media, error) {
	list, err := readMedia(q, `WHERE m.id = ?`, id)
	if err != nil {
		return store.Media{}, err
	}
	if len(list) == 0 {
		return store.Media{}, store.ErrNotFound
	}
	return list[0], nil
}

// Media returns a picture.
func (d *DB) Media(ctx context.Context, id int64) (m store.Media, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		m, err = oneMedia(q, id)
		return err
	})
	return m, wrap("read picture", err)
}

// EditMedia changes a picture of owner.
func (d *DB) EditMedia(ctx context.Context, id, owner int64, e store.Edit) (m store.Media, err error) {
	err = d.db.Write(ctx, func(tx *tx) (err error) {
		_, err = tx.Exec(`UPDATE media SET description = coalesce(?, description), focus_x = coalesce(?, focus_x), focus_y = coalesce(?, focus_y)
			WHERE id = ? AND owner_id = ?`, e.Description, e.FocusX, e.FocusY, id, owner)
		if err != nil {
			return err
		}
		if m, err = oneMedia(tx, id); err == nil && m.Owner != owner {
			err = store.ErrNotFound
		}
		return err
	})
	return m, wrap("change picture", err)
}

// removeMedia deletes a picture's rows.
func removeMedia(tx *tx, m store.Media) error {
	if _, err := tx.Exec(`DELETE FROM media WHERE id = ?`, m.ID); err != nil {
		return err
	}
	return charge(tx, m.Owner, -m.Bytes())
}

// Sweep removes pictures that nobody posted and keys that have expired.
func (d *DB) Sweep(ctx context.Context, cutoff time.Time, limit int) (gone []store.Media, err error) {
	err = d.db.Write(ctx, func(tx *tx) (err error) {
		gone, err = readMedia(tx, `WHERE m.loose_since < ? ORDER BY m.loose_since LIMIT ?`, cutoff.UnixMilli(), limit)
		if err != nil {
			return err
		}
		for _, m := range gone {
			if err := removeMedia(tx, m); err != nil {
				return err
			}
		}
		if tx.Dialect() == sqldb.Postgres {
			if err := forgetEvents(tx, d.now().Add(-store.EventLife).UnixMilli()<<16); err != nil {
				return err
			}
		}
		_, err = tx.Exec(`DELETE FROM idempotency WHERE expires < ?`, d.steady.Now().UnixMilli())
		return err
	})
	return gone, wrap("sweep", err)
}

// Referenced tells whether a picture needs the blob.
func (d *DB) Referenced(ctx context.Context, hash string) (yes bool, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT EXISTS (SELECT 1 FROM media WHERE hash = ?1) OR EXISTS (SELECT 1 FROM sizes WHERE hash = ?1)
			OR EXISTS (SELECT 1 FROM portraits WHERE hash = ?1)
			OR EXISTS (SELECT 1 FROM variants WHERE hash = ?1) OR EXISTS (SELECT 1 FROM upload_parts WHERE hash = ?1)`, hash).Scan(&yes)
	})
	return yes, wrap("look for references", err)
}
