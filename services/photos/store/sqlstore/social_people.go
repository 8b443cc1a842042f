package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// timeOf reads a time that may be null.
func timeOf(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return time.UnixMilli(*ms)
}

// millis is what timeOf reads.
func millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.UnixMilli())
}

// peopleQueries select the id of an entry and whom it names, of one owner.
var peopleQueries = map[store.People]string{
	store.Followers:    `SELECT id, follower_id FROM follows WHERE target_id = ? AND state = 2`,
	store.Followed:     `SELECT id, target_id FROM follows WHERE follower_id = ? AND state = 2`,
	store.Requests:     `SELECT id, follower_id FROM follows WHERE target_id = ? AND state = 1`,
	store.Muted:        `SELECT id, target_id FROM mutes WHERE user_id = ? AND (expires IS NULL OR expires > ?)`,
	store.Endorsements: `SELECT id, target_id FROM endorsements WHERE user_id = ?`,
	store.Members:      `SELECT id, user_id FROM list_members WHERE list_id = ?`,
}

// People is a page of a list.
func (d *DB) People(ctx context.Context, which store.People, owner int64, p store.Page) (list []store.Entry, err error) {
	args := []any{owner}
	if which == store.Muted {
		args = append(args, d.now().UnixMilli())
	}
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err = readPage(q, p, func(r sqldb.Rows) (e store.Entry, err error) {
			return e, r.Scan(&e.ID, &e.User)
		}, peopleQueries[which], args...)
		return err
	})
	return list, wrap("list people", err)
}

// readPage adds a page to a query that ends with WHERE and more, of rows with an
// id; the newest comes first.
func readPage[T any](q sqldb.Queryer, p store.Page, scan func(sqldb.Rows) (T, error), query string, args ...any) ([]T, error) {
	if p.Max > 0 {
		query, args = query+` AND id < ?`, append(args, p.Max)
	}
	if lower := max(p.Since, p.Min); lower > 0 {
		query, args = query+` AND id > ?`, append(args, lower)
	}
	order := "DESC"
	if p.Min > 0 {
		order = "ASC"
	}
	list, err := collect(q, scan, query+` ORDER BY id `+order+` LIMIT ?`, append(args, max(p.Limit, 1))...)
	if p.Min > 0 {
		slices.Reverse(list)
	}
	return list, err
}

func scanPerson(r sqldb.Rows) (id int64, err error) { return id, r.Scan(&id) }

// ids runs a query for ids.
func (d *DB) ids(ctx context.Context, action, query string, args ...any) (list []int64, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err = collect(q, scanPerson, query, args...)
		return err
	})
	return list, wrap(action, err)
}

// Familiar are those whom user follows and who follow target.
func (d *DB) Familiar(ctx context.Context, user, target int64, limit int) ([]int64, error) {
	return d.ids(ctx, "list familiar followers", `SELECT mine.target_id FROM follows mine
		WHERE mine.follower_id = ?1 AND mine.state = 2
		AND EXISTS (SELECT 1 FROM follows theirs WHERE theirs.follower_id = mine.target_id AND theirs.target_id = ?2 AND theirs.state = 2)
		ORDER BY mine.id DESC LIMIT ?3`, user, target, limit)
}

// Suggest names people whom many follow. Those who are followed by nobody come
// too: in a small place everybody may be interesting.
func (d *DB) Suggest(ctx context.Context, user int64, limit int) ([]int64, error) {
	return d.ids(ctx, "suggest people", `SELECT p.user_id FROM profiles p
		WHERE p.hidden = 0 AND p.user_id <> ?1
		AND NOT EXISTS (SELECT 1 FROM follows f WHERE f.follower_id = ?1 AND f.target_id = p.user_id)
		AND NOT EXISTS (SELECT 1 FROM mutes m WHERE m.user_id = ?1 AND m.target_id = p.user_id)
		AND NOT EXISTS (SELECT 1 FROM dismissals d WHERE d.user_id = ?1 AND d.target_id = p.user_id)
		ORDER BY p.followers DESC, p.user_id DESC LIMIT ?2`, user, limit)
}

// Dismiss ends that target is suggested to user.
func (d *DB) Dismiss(ctx context.Context, user, target int64) error {
	return d.change(ctx, "dismiss suggestion", `INSERT INTO dismissals (user_id, target_id) VALUES (?, ?) ON CONFLICT DO NOTHING`, user, target)
}

func (d *DB) change(ctx context.Context, action, query string, args ...any) error {
	return wrap(action, d.db.Write(ctx, func(tx *tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}))
}

// changeRow is change for a statement that must find one row.
func (d *DB) changeRow(ctx context.Context, action, query string, args ...any) error {
	return wrap(action, d.db.Write(ctx, func(tx *tx) error { return changeOne(tx, query, args...) }))
}

func changeOne(tx *tx, query string, args ...any) error {
	res, err := tx.Exec(query, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	return err
}

// Directory is a part of those who do not hide.
func (d *DB) Directory(ctx context.Context, order store.DirectoryOrder, offset, limit int) ([]int64, error) {
	query := `SELECT user_id FROM profiles WHERE hidden = 0 AND last_status_at IS NOT NULL ORDER BY last_status_at DESC, user_id DESC LIMIT ? OFFSET ?`
	if order == store.ByAge {
		query = `SELECT user_id FROM profiles WHERE hidden = 0 ORDER BY user_id DESC LIMIT ? OFFSET ?`
	}
	return d.ids(ctx, "read directory", query, limit, offset)
}

// SetMute keeps a mute, and forgets those that have expired.
func (d *DB) SetMute(ctx context.Context, m store.Mute) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		if _, err := tx.Exec(`DELETE FROM mutes WHERE expires <= ?`, d.steady.Now().UnixMilli()); err != nil {
			return err
		}
		if err := changeOne(tx, `UPDATE mutes SET notifications = ?, expires = ? WHERE user_id = ? AND target_id = ?`,
			m.Notifications, millis(m.Expires), m.User, m.Target); err != store.ErrNotFound {
			return err
		}
		if err := bound(tx, store.MaxMutes, `SELECT count(*) FROM mutes WHERE user_id = ?`, m.User); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO mutes (id, user_id, target_id, notifications, expires) VALUES (?, ?, ?, ?, ?)`,
			tx.nextID(), m.User, m.Target, m.Notifications, millis(m.Expires))
		return err
	})
	return wrap("mute", err)
}

// Unmute ends a mute.
func (d *DB) Unmute(ctx context.Context, user, target int64) error {
	return d.change(ctx, "unmute", `DELETE FROM mutes WHERE user_id = ? AND target_id = ?`, user, target)
}

// SetNote keeps what user notes about target.
func (d *DB) SetNote(ctx context.Context, user, target int64, text string) error {
	if text == "" {
		return d.change(ctx, "forget note", `DELETE FROM notes WHERE user_id = ? AND target_id = ?`, user, target)
	}
	err := d.db.Write(ctx, func(tx *tx) error {
		if err := bound(tx, store.MaxNotes, `SELECT count(*) FROM notes WHERE user_id = ? AND target_id <> ?`, user, target); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO notes (user_id, target_id, text) VALUES (?, ?, ?)
			ON CONFLICT (user_id, target_id) DO UPDATE SET text = excluded.text`, user, target, text)
		return err
	})
	return wrap("keep note", err)
}

// Endorse shows target on user's profile.
func (d *DB) Endorse(ctx context.Context, user, target int64) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		f, err := oneFollow(tx, user, target)
		if err != nil {
			return err
		}
		if f.State != store.Following {
			return store.ErrNotFound
		}
		if err := bound(tx, store.MaxEndorsements, `SELECT count(*) FROM endorsements WHERE user_id = ? AND target_id <> ?`, user, target); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO endorsements (id, user_id, target_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, tx.nextID(), user, target)
		return err
	})
	return wrap("endorse", err)
}

// Unendorse takes target off user's profile.
func (d *DB) Unendorse(ctx context.Context, user, target int64) error {
	return d.change(ctx, "unendorse", `DELETE FROM endorsements WHERE user_id = ? AND target_id = ?`, user, target)
}
