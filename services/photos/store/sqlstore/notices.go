package sqlstore

import (
	"context"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// addNotice tells n.User about something: unless they did it themselves, have
// muted who did or the conversation, or were told before. It is called within
// Write; who listens hears of it after the commit. Blocks are the caller's and
// the reader's to respect.
func (d *DB) addNotice(tx *tx, n store.Notice) error {
	if n.User == n.Actor {
		return nil
	}
	var skip bool
	err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM notices WHERE status_id = ?4 AND user_id = ?1 AND kind = ?3 AND actor_id = ?2)
		OR ?4 IS NULL AND EXISTS (SELECT 1 FROM notices WHERE status_id IS NULL AND actor_id = ?2 AND user_id = ?1 AND kind = ?3)
		OR EXISTS (SELECT 1 FROM mutes WHERE user_id = ?1 AND target_id = ?2 AND notifications = 1 AND (expires IS NULL OR expires > ?5))
		OR EXISTS (SELECT 1 FROM thread_mutes WHERE user_id = ?1 AND thread_id = (SELECT thread_id FROM statuses WHERE id = ?4))`,
		n.User, n.Actor, n.Kind, orNull(n.Status), d.now().UnixMilli()).Scan(&skip)
	if err != nil || skip {
		return err
	}
	n.ID = tx.nextID()
	_, err = tx.Exec(`INSERT INTO notices (id, user_id, kind, actor_id, status_id) VALUES (?, ?, ?, ?, ?)`,
		n.ID, n.User, n.Kind, n.Actor, orNull(n.Status))
	if err != nil {
		return err
	}
	if err := d.prune(tx, n.User); err != nil {
		return err
	}
	tx.happened(store.Event{Kind: store.Noticed, Notice: n})
	return nil
}

// addNotices tells all of users, who are to be told, of something new.
func (d *DB) addNotices(tx *tx, users []int64, n store.Notice) error {
	if len(users) == 0 {
		return nil
	}
	first := tx.nextIDs(len(users))
	_, err := tx.Exec(`INSERT INTO notices (id, user_id, kind, actor_id, status_id) SELECT ?1 + key, value, ?2, ?3, ?4 FROM json_each(?5) t`,
		first, n.Kind, n.Actor, orNull(n.Status), jsonList(users))
	if err != nil {
		return err
	}
	for _, user := range users {
		if err := d.prune(tx, user); err != nil {
			return err
		}
	}
	for i, user := range users {
		n.ID, n.User = first+int64(i), user
		tx.happened(store.Event{Kind: store.Noticed, Notice: n})
	}
	return nil
}

// pruneEvery: looking for what is too old costs as much as a user has, so it is
// not done each time.
const pruneEvery = 32

// prune forgets the oldest notices of user where they are too many.
func (d *DB) prune(tx *tx, user int64) error {
	if d.noticed++; d.noticed%pruneEvery != 0 {
		return nil
	}
	_, err := tx.Exec(`DELETE FROM notices WHERE user_id = ?1 AND id <=
		(SELECT id FROM notices WHERE user_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`, user, store.MaxNotices)
	return err
}

// dropNotices takes back what user was told of what actor did, because actor
// undid it. Status 0 is what is about no post.
func (d *DB) dropNotices(tx *tx, n store.Notice) error {
	if n.Status != 0 {
		_, err := tx.Exec(`DELETE FROM notices WHERE status_id = ? AND user_id = ? AND kind = ? AND actor_id = ?`, n.Status, n.User, n.Kind, n.Actor)
		return err
	}
	_, err := tx.Exec(`DELETE FROM notices WHERE actor_id = ? AND user_id = ? AND kind = ? AND status_id IS NULL`, n.Actor, n.User, n.Kind)
	return err
}

func orNull(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

const noticeColumns = `SELECT id, user_id, kind, actor_id, coalesce(status_id, 0) FROM notices `

func scanNotice(r sqldb.Rows) (n store.Notice, err error) {
	err = r.Scan(&n.ID, &n.User, &n.Kind, &n.Actor, &n.Status)
	return n, err
}

// noticeQuery selects a page; who is muted by now is left out as at the start.
func (d *DB) noticeQuery(f store.NoticeFeed) (string, []any) {
	var q query
	q.and(`user_id = ?`, f.User)
	if f.Kinds != nil {
		q.and(`kind IN (SELECT CAST(value AS TEXT) FROM json_each(?))`, jsonText(f.Kinds))
	}
	if f.Actor != 0 {
		q.and(`actor_id = ?`, f.Actor)
	}
	if len(f.Exclude) > 0 {
		q.and(`actor_id NOT IN (SELECT value FROM json_each(?))`, jsonList(f.Exclude))
	}
	q.and(`actor_id NOT IN (SELECT target_id FROM mutes WHERE user_id = ? AND notifications = 1 AND (expires IS NULL OR expires > ?))`,
		f.User, d.now().UnixMilli())
	q.page("id", f.Page)
	return q.ordered("id", f.Page)
}

// Notices lists a page.
func (d *DB) Notices(ctx context.Context, f store.NoticeFeed) (list []store.Notice, err error) {
	where, args := d.noticeQuery(f)
	err = d.db.Read(ctx, func(r sqldb.Queryer) (err error) {
		list, err = collect(r, scanNotice, noticeColumns+where, args...)
		return err
	})
	return newestFirst(list, f.Page), wrap("list notifications", err)
}

// CountNotices counts those of a page.
func (d *DB) CountNotices(ctx context.Context, f store.NoticeFeed) (n int64, err error) {
	where, args := d.noticeQuery(f)
	err = d.db.Read(ctx, func(r sqldb.Queryer) error {
		return r.QueryRow(`SELECT count(*) FROM (SELECT 1 FROM notices `+where+`) n`, args...).Scan(&n)
	})
	return n, wrap("count notifications", err)
}

// Notice returns one of user's.
func (d *DB) Notice(ctx context.Context, user, id int64) (n store.Notice, err error) {
	err = d.db.Read(ctx, func(r sqldb.Queryer) error {
		return r.QueryRow(noticeColumns+`WHERE id = ? AND user_id = ?`, id, user).Scan(&n.ID, &n.User, &n.Kind, &n.Actor, &n.Status)
	})
	return n, wrap("read notification", err)
}

// DropNotice forgets one of user's.
func (d *DB) DropNotice(ctx context.Context, user, id int64) error {
	return wrap("dismiss notification", d.db.Write(ctx, func(tx *tx) error {
		return mustAffect(tx.Exec(`DELETE FROM notices WHERE id = ? AND user_id = ?`, id, user))
	}))
}

// ClearNotices forgets all of user's.
func (d *DB) ClearNotices(ctx context.Context, user int64) error {
	return wrap("clear notifications", d.db.Write(ctx, func(tx *tx) error {
		_, err := tx.Exec(`DELETE FROM notices WHERE user_id = ?`, user)
		return err
	}))
}
