package sqlstore

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// AddAlbum keeps an album.
func (d *DB) AddAlbum(ctx context.Context, a store.Album) (store.Album, error) {
	err := d.db.Write(ctx, func(tx *tx) error {
		a.ID = tx.nextID()
		_, err := tx.Exec(`INSERT INTO albums (id, owner_id, title, description, visibility) VALUES (?, ?, ?, ?, ?)`,
			a.ID, a.Owner, a.Title, a.Description, a.Visibility)
		if err != nil {
			return err
		}
		return fillAlbum(tx, a)
	})
	return a, wrap("keep album", err)
}

// fillAlbum replaces what is in an album. A post that is named twice counts
// where it was first.
func fillAlbum(tx *tx, a store.Album) error {
	if _, err := tx.Exec(`DELETE FROM album_items WHERE album_id = ?`, a.ID); err != nil {
		return err
	}
	for i, id := range a.Posts {
		res, err := tx.Exec(`INSERT INTO album_items (album_id, status_id, position)
			SELECT ?1, id, ?3 FROM statuses WHERE id = ?2 AND author_id = ?4 ON CONFLICT (album_id, status_id) DO UPDATE SET position = album_items.position`, a.ID, id, i, a.Owner)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return store.ErrItem
		}
	}
	return nil
}

func readAlbums(q sqldb.Queryer, where string, args ...any) ([]store.Album, error) {
	list, err := collect(q, func(r sqldb.Rows) (a store.Album, err error) {
		a.Posts = []int64{}
		return a, r.Scan(&a.ID, &a.Owner, &a.Title, &a.Description, &a.Visibility)
	}, `SELECT id, owner_id, title, description, visibility FROM albums `+where, args...)
	if err != nil || len(list) == 0 {
		return list, err
	}
	ids := make([]int64, len(list))
	at := make(map[int64]*store.Album, len(list))
	for i := range list {
		ids[i], at[list[i].ID] = list[i].ID, &list[i]
	}
	_, err = collect(q, func(r sqldb.Rows) (none struct{}, err error) {
		var album, post int64
		if err = r.Scan(&album, &post); err == nil {
			at[album].Posts = append(at[album].Posts, post)
		}
		return none, err
	}, `SELECT album_id, status_id FROM album_items WHERE album_id IN (SELECT value FROM json_each(?)) ORDER BY album_id, position`, jsonList(ids))
	return list, err
}

func oneAlbum(q sqldb.Queryer, id int64) (store.Album, error) {
	list, err := readAlbums(q, `WHERE id = ?`, id)
	if err != nil {
		return store.Album{}, err
	}
	if len(list) == 0 {
		return store.Album{}, store.ErrNotFound
	}
	return list[0], nil
}

// Album returns an album.
func (d *DB) Album(ctx context.Context, id int64) (a store.Album, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		a, err = oneAlbum(q, id)
		return err
	})
	return a, wrap("read album", err)
}

// Albums lists the albums of owner.
func (d *DB) Albums(ctx context.Context, owner int64, p store.Page) (list []store.Album, err error) {
	where, args := paged("owner_id = ?", p, owner)
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		list, err = readAlbums(q, where, args...)
		return err
	})
	if p.Min > 0 {
		slices.Reverse(list)
	}
	return list, wrap("list albums", err)
}

// paged is a WHERE for one page of rows by id, with cond before it.
func paged(cond string, p store.Page, args ...any) (string, []any) {
	if p.Max > 0 {
		cond, args = cond+" AND id < ?", append(args, p.Max)
	}
	if lower := max(p.Since, p.Min); lower > 0 {
		cond, args = cond+" AND id > ?", append(args, lower)
	}
	order := "DESC"
	if p.Min > 0 {
		order = "ASC"
	}
	return "WHERE " + cond + " ORDER BY id " + order + " LIMIT ?", append(args, max(p.Limit, 1))
}

// EditAlbum changes an album of owner.
func (d *DB) EditAlbum(ctx context.Context, id, owner int64, e store.AlbumEdit) (a store.Album, err error) {
	err = d.db.Write(ctx, func(tx *tx) (err error) {
		if a, err = oneAlbum(tx, id); err != nil {
			return err
		}
		if a.Owner != owner {
			return store.ErrNotFound
		}
		_, err = tx.Exec(`UPDATE albums SET title = coalesce(?, title), description = coalesce(?, description), visibility = coalesce(?, visibility) WHERE id = ?`,
			e.Title, e.Description, e.Visibility, id)
		if err != nil {
			return err
		}
		if e.Posts != nil {
			a.Posts = *e.Posts
			if err := fillAlbum(tx, a); err != nil {
				return err
			}
		}
		a, err = oneAlbum(tx, id)
		return err
	})
	return a, wrap("change album", err)
}

// RemoveAlbum removes an album of owner; its posts stay.
func (d *DB) RemoveAlbum(ctx context.Context, id, owner int64) error {
	return d.execOne(ctx, "remove album", `DELETE FROM albums WHERE id = ? AND owner_id = ?`, id, owner)
}

// AddReport keeps a report.
func (d *DB) AddReport(ctx context.Context, r store.Report) (store.Report, error) {
	err := d.db.Write(ctx, func(tx *tx) error {
		r.ID = tx.nextID()
		_, err := tx.Exec(`INSERT INTO reports (id, reporter_id, target_id, category, comment, statuses) VALUES (?, ?, ?, ?, ?, ?)`,
			r.ID, r.Reporter, r.Target, r.Category, r.Comment, jsonList(r.Statuses))
		return err
	})
	return r, wrap("keep report", err)
}

func readReports(q sqldb.Queryer, where string, args ...any) ([]store.Report, error) {
	return collect(q, func(rows sqldb.Rows) (r store.Report, err error) {
		var statuses string
		var at int64
		err = rows.Scan(&r.ID, &r.Reporter, &r.Target, &r.Category, &r.Comment, &statuses, &r.Action, &r.ResolvedBy, &at)
		if err == nil {
			err = json.Unmarshal([]byte(statuses), &r.Statuses)
		}
		r.ResolvedAt = timeOrZero(at)
		return r, err
	}, `SELECT id, reporter_id, target_id, category, comment, statuses, action, coalesce(resolved_by, 0), coalesce(resolved_at, 0) FROM reports `+where, args...)
}

func oneReport(q sqldb.Queryer, id int64) (store.Report, error) {
	list, err := readReports(q, `WHERE id = ?`, id)
	if err != nil {
		return store.Report{}, err
	}
	if len(list) == 0 {
		return store.Report{}, store.ErrNotFound
	}
	return list[0], nil
}

// Report returns a report.
func (d *DB) Report(ctx context.Context, id int64) (r store.Report, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		r, err = oneReport(q, id)
		return err
	})
	return r, wrap("read report", err)
}

// Reports lists those that wait for an operator, or those that do not any more.
func (d *DB) Reports(ctx context.Context, resolved bool, p store.Page) (list []store.Report, err error) {
	cond := "resolved_at IS NULL"
	if resolved {
		cond = "resolved_at IS NOT NULL"
	}
	where, args := paged(cond, p)
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		list, err = readReports(q, where, args...)
		return err
	})
	if p.Min > 0 {
		slices.Reverse(list)
	}
	return list, wrap("list reports", err)
}

// ResolveReport notes what was done about a report.
func (d *DB) ResolveReport(ctx context.Context, id, by int64, action string) (r store.Report, err error) {
	err = d.db.Write(ctx, func(tx *tx) (err error) {
		var who, at *int64
		if by != 0 {
			who, at = &by, new(d.now().UnixMilli())
		}
		if _, err = tx.Exec(`UPDATE reports SET resolved_by = ?, resolved_at = ?, action = ? WHERE id = ?`, who, at, action, id); err == nil {
			r, err = oneReport(tx, id)
		}
		return err
	})
	return r, wrap("resolve report", err)
}

// Usage counts what is kept.
func (d *DB) Usage(ctx context.Context) (u store.Usage, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT (SELECT count(*) FROM media), (SELECT CAST(coalesce(sum(bytes), 0) AS bigint) FROM media),
			(SELECT CAST(coalesce(sum(bytes), 0) AS bigint) FROM sizes), (SELECT CAST(coalesce(sum(bytes), 0) AS bigint) FROM variants),
			(SELECT count(*) FROM media WHERE loose_since IS NOT NULL),
			(SELECT count(*) FROM uploads WHERE media_id IS NULL), (SELECT CAST(coalesce(sum("offset"), 0) AS bigint) FROM uploads WHERE media_id IS NULL),
			(SELECT count(*) FROM stories), (SELECT count(*) FROM albums), (SELECT count(*) FROM reports WHERE resolved_at IS NULL)`).
			Scan(&u.Pictures, &u.Originals, &u.Sizes, &u.Variants, &u.Loose, &u.Uploads, &u.UploadBytes, &u.Stories, &u.Albums, &u.OpenReports)
	})
	return u, wrap("count what is kept", err)
}

// eraseOwn removes what is user's beside posts and pictures, and returns the bytes
// of uploads that are not whole. What the user reported stays without a name: it
// is about others.
func eraseOwn(tx *tx, user int64) (gone []store.Media, err error) {
	uploads, err := collect(tx, scanID, `SELECT id FROM uploads WHERE owner_id = ?`, user)
	if err != nil {
		return nil, err
	}
	parts, err := dropUploads(tx, uploads)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		gone = append(gone, p.Media())
	}
	for _, query := range []string{
		`DELETE FROM stories WHERE owner_id = ?`,
		`DELETE FROM story_views WHERE user_id = ?`,
		`DELETE FROM albums WHERE owner_id = ?`,
		`UPDATE reports SET reporter_id = 0 WHERE reporter_id = ?`,
		`DELETE FROM reports WHERE target_id = ?`,
	} {
		if _, err := tx.Exec(query, user); err != nil {
			return nil, err
		}
	}
	return gone, nil
}
