package sqlstore

import (
	"context"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// SetMark sets or takes away a mark; it may be so already.
func (d *DB) SetMark(ctx context.Context, kind store.MarkKind, user, status int64, on bool) (s store.Status, err error) {
	err = d.db.Write(ctx, func(tx *tx) (err error) {
		if s, err = oneStatus(tx, status); err != nil {
			return err
		}
		if kind == store.Pin && s.Author != user {
			return store.ErrNotFound
		}
		changed, err := d.mark(tx, kind, user, s.ID, on)
		if err != nil || !changed || kind != store.Favourite {
			return err
		}
		n := store.Notice{User: s.Author, Kind: store.NoticeFavourite, Actor: user, Status: s.ID}
		by := int64(1)
		if on {
			err = d.addNotice(tx, n)
		} else {
			by = -1
			err = d.dropNotices(tx, n)
		}
		if err != nil {
			return err
		}
		s.Favourites += by
		_, err = tx.Exec(`UPDATE statuses SET favourites = favourites + ? WHERE id = ?`, by, s.ID)
		return err
	})
	return s, wrap("mark post", err)
}

func (d *DB) mark(tx *tx, kind store.MarkKind, user, status int64, on bool) (changed bool, err error) {
	sql, args := `DELETE FROM marks WHERE kind = ? AND user_id = ? AND status_id = ?`, []any{kind, user, status}
	if on {
		if kind == store.Pin {
			if err := roomForPin(tx, user, status); err != nil {
				return false, err
			}
		}
		sql, args = `INSERT INTO marks (kind, user_id, status_id, id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, append(args, tx.nextID())
	}
	res, err := tx.Exec(sql, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

func roomForPin(tx *tx, user, status int64) error {
	var pins int
	err := tx.QueryRow(`SELECT count(*) FROM marks WHERE user_id = ? AND kind = ? AND status_id <> ?`, user, store.Pin, status).Scan(&pins)
	if err == nil && pins >= store.MaxPins {
		err = store.ErrPins
	}
	return err
}

// MarksOf returns user's marks on posts.
func (d *DB) MarksOf(ctx context.Context, user int64, statuses []store.Status) (map[int64]store.Marks, error) {
	ids := make([]int64, len(statuses))
	for i, s := range statuses {
		ids[i] = s.ID
	}
	of := make(map[int64]store.Marks, len(statuses))
	err := d.db.Read(ctx, func(q sqldb.Queryer) error {
		_, err := collect(q, func(r sqldb.Rows) (none struct{}, err error) {
			var id int64
			var m store.Marks
			err = r.Scan(&id, &m.Favourited, &m.Bookmarked, &m.Pinned, &m.Muted)
			of[id] = m
			return none, err
		}, `SELECT s.id, EXISTS (SELECT 1 FROM marks WHERE status_id = s.id AND kind = 1 AND user_id = ?1),
			EXISTS (SELECT 1 FROM marks WHERE status_id = s.id AND kind = 2 AND user_id = ?1),
			EXISTS (SELECT 1 FROM marks WHERE status_id = s.id AND kind = 3 AND user_id = ?1),
			EXISTS (SELECT 1 FROM thread_mutes t WHERE t.user_id = ?1 AND t.thread_id = s.thread_id)
			FROM statuses s WHERE s.id IN (SELECT value FROM json_each(?2))`, user, jsonList(ids))
		return err
	})
	return of, wrap("read marks", err)
}

func scanMark(r sqldb.Rows) (m store.Mark, err error) {
	err = r.Scan(&m.ID, &m.User, &m.Status.ID)
	return m, err
}

// Marked lists posts that user marked.
func (d *DB) Marked(ctx context.Context, kind store.MarkKind, user int64, p store.Page) (list []store.Mark, err error) {
	var q query
	q.and(`user_id = ? AND kind = ?`, user, kind)
	q.page("id", p)
	where, args := q.ordered("id", p)
	err = d.db.Read(ctx, func(r sqldb.Queryer) error {
		list, err = collect(r, scanMark, `SELECT id, user_id, status_id FROM marks `+where, args...)
		if err != nil {
			return err
		}
		ids := make([]int64, len(list))
		for i, m := range list {
			ids[i] = m.Status.ID
		}
		statuses, err := statusesByID(r, ids) // all of them: marks go with their posts
		for i := range statuses {
			list[i].Status = statuses[i]
		}
		return err
	})
	return newestFirst(list, p), wrap("list marked posts", err)
}

// MarkedBy lists who marked a post.
func (d *DB) MarkedBy(ctx context.Context, kind store.MarkKind, status int64, p store.Page) (list []store.Mark, err error) {
	var q query
	q.and(`status_id = ? AND kind = ?`, status, kind)
	q.page("id", p)
	where, args := q.ordered("id", p)
	err = d.db.Read(ctx, func(r sqldb.Queryer) error {
		list, err = collect(r, scanMark, `SELECT id, user_id, status_id FROM marks `+where, args...)
		return err
	})
	return newestFirst(list, p), wrap("list who marked a post", err)
}

// MuteThread has user told of a conversation no more, or again.
func (d *DB) MuteThread(ctx context.Context, user, thread int64, on bool) error {
	sql := `DELETE FROM thread_mutes WHERE user_id = ? AND thread_id = ?`
	if on {
		sql = `INSERT INTO thread_mutes (user_id, thread_id) VALUES (?, ?) ON CONFLICT DO NOTHING`
	}
	return wrap("mute conversation", d.db.Write(ctx, func(tx *tx) error {
		_, err := tx.Exec(sql, user, thread)
		return err
	}))
}
