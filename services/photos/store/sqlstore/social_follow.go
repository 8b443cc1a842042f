package sqlstore

import (
	"context"
	"errors"
	"strings"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// SetFollow stores a follow or the options of one.
func (d *DB) SetFollow(ctx context.Context, f store.Follow) (_ store.Follow, created bool, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		before, err := oneFollow(tx, f.Follower, f.Target)
		if err != nil {
			return err
		}
		if before.State != store.NoFollow {
			f.ID, f.State = before.ID, before.State
			_, err := tx.Exec(`UPDATE follows SET reblogs = ?, notify = ?, languages = ? WHERE id = ?`,
				f.Reblogs, f.Notify, strings.Join(f.Languages, " "), f.ID)
			return err
		}
		if err := bound(tx, store.MaxFollows, `SELECT count(*) FROM follows WHERE follower_id = ?`, f.Follower); err != nil {
			return err
		}
		f.ID, created = tx.nextID(), true
		_, err = tx.Exec(`INSERT INTO follows (id, follower_id, target_id, state, reblogs, notify, languages) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			f.ID, f.Follower, f.Target, f.State, f.Reblogs, f.Notify, strings.Join(f.Languages, " "))
		if err != nil {
			return err
		}
		if err := countFollow(tx, f, 1); err != nil {
			return err
		}
		return d.addNotice(tx, store.Notice{User: f.Target, Kind: noticeOf(f), Actor: f.Follower})
	})
	return f, created, wrap("follow", err)
}

// noticeOf is the kind of notice that the target of f gets.
func noticeOf(f store.Follow) store.NoticeKind {
	if f.State == store.Asked {
		return store.NoticeFollowRequest
	}
	return store.NoticeFollow
}

// bound returns ErrTooMany where a count has reached limit.
func bound(tx *tx, limit int, query string, args ...any) error {
	var n int
	if err := tx.QueryRow(query, args...).Scan(&n); err != nil {
		return err
	}
	if n >= limit {
		return store.ErrTooMany
	}
	return nil
}

// countFollow adds by to the counts that f is part of.
func countFollow(tx *tx, f store.Follow, by int) error {
	if f.State == store.Asked {
		return count(tx, "requests", f.Target, by)
	}
	return errors.Join(count(tx, "followers", f.Target, by), count(tx, "following", f.Follower, by))
}

// count adds by to a column of user's profile.
func count(tx *tx, column string, user int64, by int) error {
	_, err := tx.Exec(`INSERT INTO profiles (user_id, `+column+`) VALUES (?, ?)
		ON CONFLICT (user_id) DO UPDATE SET `+column+` = profiles.`+column+` + excluded.`+column, user, by)
	return err
}

const followColumns = `SELECT id, follower_id, target_id, state, reblogs, notify, languages FROM follows `

func scanFollow(r sqldb.Rows) (f store.Follow, err error) {
	var languages string
	err = r.Scan(&f.ID, &f.Follower, &f.Target, &f.State, &f.Reblogs, &f.Notify, &languages)
	if languages != "" {
		f.Languages = strings.Fields(languages)
	}
	return f, err
}

// oneFollow returns the zero Follow where there is none.
func oneFollow(q sqldb.Queryer, follower, target int64) (store.Follow, error) {
	list, err := collect(q, scanFollow, followColumns+`WHERE follower_id = ? AND target_id = ?`, follower, target)
	if err != nil || len(list) == 0 {
		return store.Follow{}, err
	}
	return list[0], nil
}

// Unfollow ends a follow.
func (d *DB) Unfollow(ctx context.Context, follower, target int64) error {
	err := d.db.Write(ctx, func(tx *tx) error { return d.unfollow(tx, follower, target) })
	return wrap("unfollow", err)
}

// Part ends follows both ways.
func (d *DB) Part(ctx context.Context, a, b int64) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		return errors.Join(d.unfollow(tx, a, b), d.unfollow(tx, b, a))
	})
	return wrap("part", err)
}

func (d *DB) unfollow(tx *tx, follower, target int64) error {
	f, err := oneFollow(tx, follower, target)
	if err != nil || f.State == store.NoFollow {
		return err
	}
	return d.removeFollow(tx, f)
}

// removeFollow deletes a follow and what depends on it.
func (d *DB) removeFollow(tx *tx, f store.Follow) error {
	if _, err := tx.Exec(`DELETE FROM follows WHERE id = ?`, f.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM endorsements WHERE user_id = ? AND target_id = ?`, f.Follower, f.Target); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM list_members WHERE user_id = ? AND list_id IN (SELECT id FROM lists WHERE owner_id = ?)`, f.Target, f.Follower)
	if err != nil {
		return err
	}
	if err := d.dropNotices(tx, store.Notice{User: f.Target, Kind: noticeOf(f), Actor: f.Follower}); err != nil {
		return err
	}
	return countFollow(tx, f, -1)
}

// Answer grants or refuses a request.
func (d *DB) Answer(ctx context.Context, target, follower int64, grant bool) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		f, err := oneFollow(tx, follower, target)
		if err != nil {
			return err
		}
		if f.State != store.Asked {
			return store.ErrNotFound
		}
		if !grant {
			return d.removeFollow(tx, f)
		}
		if _, err := tx.Exec(`UPDATE follows SET state = ? WHERE id = ?`, store.Following, f.ID); err != nil {
			return err
		}
		if err := countFollow(tx, f, -1); err != nil {
			return err
		}
		if err := d.dropNotices(tx, store.Notice{User: target, Kind: store.NoticeFollowRequest, Actor: follower}); err != nil {
			return err
		}
		f.State = store.Following
		return countFollow(tx, f, 1)
	})
	return wrap("answer request", err)
}

// FollowState tells whether somebody follows somebody.
func (d *DB) FollowState(ctx context.Context, follower, target int64) (state store.FollowState, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT coalesce((SELECT state FROM follows WHERE follower_id = ? AND target_id = ?), 0)`, follower, target).Scan(&state)
	})
	return state, wrap("read follow", err)
}

// Relations tells what people are to user.
func (d *DB) Relations(ctx context.Context, user int64, targets []int64) (list []store.Relation, err error) {
	now := d.now().UnixMilli()
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err = collect(q, func(r sqldb.Rows) (rel store.Relation, err error) {
			var languages string
			var expires *int64
			rel.Follow.Follower, rel.Mute.User = user, user
			f, m := &rel.Follow, &rel.Mute
			err = r.Scan(&rel.Target, &f.ID, &f.State, &f.Reblogs, &f.Notify, &languages, &rel.FollowedBy,
				&rel.Muted, &m.Notifications, &expires, &rel.Endorsed, &rel.Note)
			f.Target, m.Target = rel.Target, rel.Target
			if languages != "" {
				f.Languages = strings.Fields(languages)
			}
			m.Expires = timeOf(expires)
			return rel, err
		}, `SELECT t.value, coalesce(f.id, 0), coalesce(f.state, 0), coalesce(f.reblogs, 0), coalesce(f.notify, 0), coalesce(f.languages, ''),
			coalesce(b.state, 0), m.id IS NOT NULL, coalesce(m.notifications, 0), m.expires, e.id IS NOT NULL, coalesce(n.text, '')
			FROM json_each(?1) t
			LEFT JOIN follows f ON f.follower_id = ?2 AND f.target_id = t.value
			LEFT JOIN follows b ON b.follower_id = t.value AND b.target_id = ?2
			LEFT JOIN mutes m ON m.user_id = ?2 AND m.target_id = t.value AND (m.expires IS NULL OR m.expires > ?3)
			LEFT JOIN endorsements e ON e.user_id = ?2 AND e.target_id = t.value
			LEFT JOIN notes n ON n.user_id = ?2 AND n.target_id = t.value
			ORDER BY t.key`, jsonList(targets), user, now)
		return err
	})
	return list, wrap("read relations", err)
}
