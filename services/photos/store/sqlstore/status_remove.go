package sqlstore

import (
	"context"

	"github.com/porticod/portico/services/photos/store"
)

// DeleteStatus removes a post of author. Answers to it stay.
func (d *DB) DeleteStatus(ctx context.Context, id, author int64, keepMedia bool) (s store.Status, err error) {
	err = d.db.Write(ctx, func(tx *tx) (err error) {
		if s, err = oneStatus(tx, id); err != nil {
			return err
		}
		if s.Author != author {
			return store.ErrNotFound
		}
		for _, m := range s.Media {
			if keepMedia {
				err = d.detach(tx, m.ID)
			} else {
				err = removeMedia(tx, m)
			}
			if err != nil {
				return err
			}
		}
		tx.happened(store.Event{Kind: store.StatusDeleted, Status: s})
		return dropStatus(tx, s)
	})
	return s, wrap("delete post", err)
}

// detach takes a picture out of its post; it can go into another one.
func (d *DB) detach(tx *tx, media int64) error {
	_, err := tx.Exec(`UPDATE media SET status_id = NULL, position = 0, loose_since = ? WHERE id = ?`, d.now().UnixMilli(), media)
	return err
}

// dropStatus deletes a post without pictures, with its marks and notices, and
// corrects what counted it or led to it.
func dropStatus(tx *tx, s store.Status) error {
	steps := []struct {
		sql  string
		args []any
	}{
		{`DELETE FROM words WHERE rowid = ?`, []any{s.ID}},
		{`UPDATE statuses SET parent_id = NULL, parent_author = NULL WHERE parent_id = ?`, []any{s.ID}},
		{`DELETE FROM statuses WHERE id = ?`, []any{s.ID}},
		{`UPDATE profiles SET statuses = statuses - 1,
			last_status_at = (SELECT max(id) >> 16 FROM statuses WHERE author_id = ?1) WHERE user_id = ?1`, []any{s.Author}},
	}
	for _, step := range steps {
		if _, err := tx.Exec(step.sql, step.args...); err != nil {
			return err
		}
	}
	if s.Parent != 0 && s.Visibility <= store.Unlisted {
		if _, err := tx.Exec(`UPDATE statuses SET replies = replies - 1 WHERE id = ?`, s.Parent); err != nil {
			return err
		}
	}
	if s.Visibility == store.Direct {
		return forgetLast(tx, s)
	}
	return nil
}

// forgetLast has conversations that ended with a post end with the one before
// it that their owner may see, or be gone where there is none.
func forgetLast(tx *tx, s store.Status) error {
	_, err := tx.Exec(`UPDATE conversations SET last_id = coalesce((SELECT max(x.id) FROM statuses x
			WHERE x.thread_id = ?1 AND x.visibility = 4 AND (x.author_id = conversations.user_id
				OR EXISTS (SELECT 1 FROM mentions m WHERE m.status_id = x.id AND m.user_id = conversations.user_id))), 0)
		WHERE thread_id = ?1 AND last_id = ?2`, s.Thread, s.ID)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM conversations WHERE thread_id = ? AND last_id = 0`, s.Thread)
	return err
}

// erasePosts removes up to limit posts of user that have no pictures any more,
// and, once there are no posts, up to limit of each other thing of the user's
// that this part of the store keeps.
func (d *DB) erasePosts(tx *tx, user int64, limit int) (more bool, err error) {
	list, err := readStatuses(tx, `WHERE s.author_id = ? AND NOT EXISTS (SELECT 1 FROM media WHERE status_id = s.id) ORDER BY s.id LIMIT ?`, user, limit)
	if err != nil {
		return false, err
	}
	for _, s := range list {
		if err := dropStatus(tx, s); err != nil {
			return false, err
		}
	}
	if len(list) == limit {
		return true, nil
	}
	marks, err := collect(tx, scanID, `SELECT id FROM marks WHERE user_id = ? ORDER BY kind, id LIMIT ?`, user, limit)
	if err != nil {
		return false, err
	}
	ids := jsonList(marks)
	_, err = tx.Exec(`UPDATE statuses SET favourites = favourites - 1 WHERE id IN
		(SELECT status_id FROM marks WHERE kind = 1 AND id IN (SELECT value FROM json_each(?)))`, ids)
	if err != nil {
		return false, err
	}
	if _, err := tx.Exec(`DELETE FROM marks WHERE id IN (SELECT value FROM json_each(?))`, ids); err != nil {
		return false, err
	}
	more = len(marks) == limit
	for _, table := range []struct{ key, name, by string }{
		{"id", "notices", "user_id"}, {"id", "notices", "actor_id"}, {"id", "tag_follows", "user_id"}, {"id", "conversations", "user_id"},
		{"status_id", "mentions", "user_id"}, {"thread_id", "thread_mutes", "user_id"},
	} {
		where := table.by + ` = ?1 AND ` + table.key + ` IN (SELECT ` + table.key + ` FROM ` + table.name + ` WHERE ` + table.by + ` = ?1 LIMIT ?2)`
		res, err := tx.Exec(`DELETE FROM `+table.name+` WHERE `+where, user, limit)
		if err != nil {
			return false, err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return false, err
		}
		more = more || n == int64(limit)
	}
	return more, nil
}
