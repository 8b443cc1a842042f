package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/services/photos/store"
)

// AddStatus makes a post, once per author and key.
func (d *DB) AddStatus(ctx context.Context, draft store.Draft) (s store.Status, created bool, err error) {
	err = d.db.Write(ctx, func(tx *sqlite.Tx) (err error) {
		now := d.now().UnixMilli()
		if draft.Key != "" {
			var id int64
			err := tx.QueryRow(`SELECT status_id FROM idempotency WHERE author_id = ? AND key = ? AND expires >= ?`, draft.Author, draft.Key, now).Scan(&id)
			if err == nil {
				s, err = oneStatus(tx, id)
				return err
			}
			if !errors.Is(err, sqlite.ErrNoRows) {
				return err
			}
		}
		id := d.nextID()
		if err := insertStatus(tx, id, draft); err != nil {
			return err
		}
		if draft.Key != "" {
			_, err := tx.Exec(`INSERT OR REPLACE INTO idempotency (author_id, key, status_id, expires) VALUES (?, ?, ?, ?)`,
				draft.Author, draft.Key, id, now+draft.KeyLife.Milliseconds())
			if err != nil {
				return err
			}
		}
		created = true
		s, err = oneStatus(tx, id)
		return err
	})
	return s, created, wrap("keep post", err)
}

// insertStatus writes the post, attaches its pictures and counts it.
func insertStatus(tx *sqlite.Tx, id int64, d store.Draft) error {
	_, err := tx.Exec(`INSERT INTO statuses (id, author_id, visibility, text, spoiler, sensitive, language, app, pictures)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, d.Author, d.Visibility, d.Text, d.Spoiler, d.Sensitive, d.Language, d.App, len(d.MediaIDs))
	if err != nil {
		return err
	}
	for i, m := range d.MediaIDs {
		res, err := tx.Exec(`UPDATE media SET status_id = ?, position = ?, loose_since = NULL WHERE id = ? AND owner_id = ? AND loose_since IS NOT NULL AND problem = ''`,
			id, i, m, d.Author)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(store.ErrMedia, err)
		}
	}
	_, err = tx.Exec(`INSERT INTO profiles (user_id, statuses, last_status_at) VALUES (?, 1, ?)
		ON CONFLICT (user_id) DO UPDATE SET statuses = statuses + 1, last_status_at = excluded.last_status_at`,
		d.Author, TimeOf(id).UnixMilli())
	return err
}

// statusColumns are what scanStatus scans.
const statusColumns = `SELECT id, author_id, visibility, text, spoiler, sensitive, language, app FROM statuses `

func scanStatus(r *sqlite.Rows) (s store.Status, err error) {
	err = r.Scan(&s.ID, &s.Author, &s.Visibility, &s.Text, &s.Spoiler, &s.Sensitive, &s.Language, &s.App)
	return s, err
}

// readStatuses runs statusColumns with where and adds the pictures.
func readStatuses(q sqlite.Queryer, where string, args ...any) ([]store.Status, error) {
	list, err := collect(q, scanStatus, statusColumns+where, args...)
	if err != nil {
		return nil, err
	}
	at := make(map[int64]*store.Status, len(list))
	ids := make([]int64, len(list))
	for i := range list {
		ids[i], at[list[i].ID] = list[i].ID, &list[i]
	}
	media, err := readMedia(q, `WHERE m.status_id IN (SELECT value FROM json_each(?)) ORDER BY m.status_id, m.position`, jsonList(ids))
	if err != nil {
		return nil, err
	}
	for _, m := range media {
		at[m.Status].Media = append(at[m.Status].Media, m)
	}
	return list, nil
}

func oneStatus(q sqlite.Queryer, id int64) (store.Status, error) {
	list, err := readStatuses(q, `WHERE id = ?`, id)
	if err != nil {
		return store.Status{}, err
	}
	if len(list) == 0 {
		return store.Status{}, store.ErrNotFound
	}
	return list[0], nil
}

// Status returns a post.
func (d *DB) Status(ctx context.Context, id int64) (s store.Status, err error) {
	err = d.db.Read(ctx, func(q sqlite.Queryer) (err error) {
		s, err = oneStatus(q, id)
		return err
	})
	return s, wrap("read post", err)
}

// DeleteStatus removes a post of author.
func (d *DB) DeleteStatus(ctx context.Context, id, author int64, keepMedia bool) (s store.Status, err error) {
	err = d.db.Write(ctx, func(tx *sqlite.Tx) (err error) {
		if s, err = oneStatus(tx, id); err != nil {
			return err
		}
		if s.Author != author {
			return store.ErrNotFound
		}
		for _, m := range s.Media {
			if keepMedia {
				_, err = tx.Exec(`UPDATE media SET status_id = NULL, position = 0, loose_since = ? WHERE id = ?`, d.now().UnixMilli(), m.ID)
			} else {
				err = removeMedia(tx, m)
			}
			if err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`DELETE FROM statuses WHERE id = ?`, id); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE profiles SET statuses = statuses - 1,
			last_status_at = (SELECT max(id) >> 16 FROM statuses WHERE author_id = ?1) WHERE user_id = ?1`, author)
		return err
	})
	return s, wrap("delete post", err)
}

// Feed selects a page of posts, newest first.
func (d *DB) Feed(ctx context.Context, f store.Feed) (list []store.Status, err error) {
	where, args := feedQuery(f)
	err = d.db.Read(ctx, func(q sqlite.Queryer) (err error) {
		list, err = readStatuses(q, where, args...)
		return err
	})
	if f.Min > 0 {
		slices.Reverse(list)
	}
	return list, wrap("read feed", err)
}

// feedQuery writes visibilities into the text, not as arguments: only so does
// the partial index serve. There are few of them, so the texts stay few.
func feedQuery(f store.Feed) (string, []any) {
	var conds []string
	var args []any
	add := func(cond string, arg ...any) {
		conds = append(conds, cond)
		args = append(args, arg...)
	}
	var vis []string
	for _, v := range f.Visibilities {
		vis = append(vis, string('0'+rune(v)))
	}
	if len(vis) == 1 {
		add("visibility = " + vis[0])
	} else {
		add("visibility IN (" + strings.Join(vis, ",") + ")")
	}
	switch {
	case len(f.Authors) == 1:
		add("author_id = ?", f.Authors[0]) // in the order of the index
	case f.Authors != nil:
		add("author_id IN (SELECT value FROM json_each(?))", jsonList(f.Authors))
	}
	if f.OnlyMedia {
		add("pictures > 0")
	}
	if f.Max > 0 {
		add("id < ?", f.Max)
	}
	if lower := max(f.Since, f.Min); lower > 0 {
		add("id > ?", lower)
	}
	order := "DESC"
	if f.Min > 0 {
		order = "ASC"
	}
	return "WHERE " + strings.Join(conds, " AND ") + " ORDER BY id " + order + " LIMIT ?", append(args, max(f.Limit, 1))
}
