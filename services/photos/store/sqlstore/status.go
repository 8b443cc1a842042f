package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// AddStatus makes a post, once per author and key.
func (d *DB) AddStatus(ctx context.Context, draft store.Draft) (s store.Status, created bool, err error) {
	err = d.db.Write(ctx, func(tx *tx) (err error) {
		now := d.now().UnixMilli()
		if draft.Key != "" {
			var id int64
			err := tx.QueryRow(`SELECT status_id FROM idempotency WHERE author_id = ? AND key = ? AND expires >= ?`, draft.Author, draft.Key, now).Scan(&id)
			if err == nil {
				s, err = oneStatus(tx, id)
				return err
			}
			if !errors.Is(err, sqldb.ErrNoRows) {
				return err
			}
		}
		id := tx.nextID()
		if err := d.insertStatus(tx, id, draft); err != nil {
			return err
		}
		if draft.Key != "" {
			_, err := tx.Exec(`INSERT INTO idempotency (author_id, key, status_id, expires) VALUES (?, ?, ?, ?)
				ON CONFLICT (author_id, key) DO UPDATE SET status_id = excluded.status_id, expires = excluded.expires`,
				draft.Author, draft.Key, id, now+draft.KeyLife.Milliseconds())
			if err != nil {
				return err
			}
		}
		if s, err = oneStatus(tx, id); err != nil {
			return err
		}
		created = true
		if err := d.announce(tx, s); err != nil {
			return err
		}
		tx.happened(store.Event{Kind: store.StatusAdded, Status: s})
		return nil
	})
	return s, created, wrap("keep post", err)
}

// insertStatus writes the post, attaches its pictures and counts it.
func (d *DB) insertStatus(tx *tx, id int64, s store.Draft) error {
	thread, parentAuthor, err := joinThread(tx, id, s)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO statuses (id, author_id, visibility, text, spoiler, sensitive, language, app, pictures,
		reply, parent_id, parent_author, thread_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, s.Author, s.Visibility, s.Text, s.Spoiler, s.Sensitive, s.Language, s.App, len(s.MediaIDs),
		s.Parent != 0, orNull(s.Parent), orNull(parentAuthor), thread)
	if err != nil {
		return err
	}
	if err := attach(tx, id, s.Author, s.MediaIDs, s.Edits); err != nil {
		return err
	}
	if err := d.address(tx, id, s.Visibility, s.Mentions, s.Tags); err != nil {
		return err
	}
	if err := index(tx, id); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO profiles (user_id, statuses, last_status_at) VALUES (?, 1, ?)
		ON CONFLICT (user_id) DO UPDATE SET statuses = profiles.statuses + 1, last_status_at = excluded.last_status_at`,
		s.Author, TimeOf(id).UnixMilli())
	return err
}

// joinThread finds the conversation of a post and counts it as an answer.
func joinThread(tx *tx, id int64, s store.Draft) (thread, parentAuthor int64, err error) {
	if s.Parent == 0 {
		return id, 0, nil
	}
	err = tx.QueryRow(`SELECT thread_id, author_id FROM statuses WHERE id = ?`, s.Parent).Scan(&thread, &parentAuthor)
	if errors.Is(err, sqldb.ErrNoRows) {
		return 0, 0, store.ErrParent
	}
	if err == nil && s.Visibility <= store.Unlisted {
		_, err = tx.Exec(`UPDATE statuses SET replies = replies + 1 WHERE id = ?`, s.Parent)
	}
	return thread, parentAuthor, err
}

// attach makes pictures of author those of a post, in their order: unattached
// ones, or those that it has already. What is to be changed about them is.
func attach(tx *tx, status, author int64, media []int64, edits map[int64]store.Edit) error {
	for i, m := range media {
		if slices.Contains(media[:i], m) {
			return store.ErrMedia
		}
		e := edits[m]
		res, err := tx.Exec(`UPDATE media SET status_id = ?1, position = ?2, loose_since = NULL,
			description = coalesce(?3, description), focus_x = coalesce(?4, focus_x), focus_y = coalesce(?5, focus_y)
			WHERE id = ?6 AND owner_id = ?7 AND (loose_since IS NOT NULL AND `+presentable+` OR status_id = ?1)`,
			status, i, e.Description, e.FocusX, e.FocusY, m, author)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(whyNot(tx, m, author), err)
		}
	}
	return nil
}

// address stores whom a post names and what tags it has.
func (d *DB) address(tx *tx, id int64, v store.Visibility, mentions []int64, tags []string) error {
	for _, user := range mentions {
		if _, err := tx.Exec(`INSERT INTO mentions (status_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING`, id, user); err != nil {
			return err
		}
	}
	for _, name := range tags {
		tag, err := d.tagID(tx, name)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO status_tags (tag_id, status_id, visibility) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, tag, id, v); err != nil {
			return err
		}
	}
	return nil
}

// index keeps the words of a post for searching.
func index(tx *tx, id int64) error {
	if _, err := tx.Exec(`DELETE FROM words WHERE rowid = ?`, id); err != nil {
		return err
	}
	var text string
	err := tx.QueryRow(`SELECT text || ' ' || spoiler || ' ' ||
		coalesce((SELECT group_concat(description, ' ') FROM media WHERE status_id = ?1), '') FROM statuses WHERE id = ?1`, id).Scan(&text)
	if err != nil {
		return err
	}
	if tx.Dialect() == sqldb.Postgres {
		text = vector(text)
	}
	_, err = tx.Exec(`INSERT INTO words (rowid, text) VALUES (?, `+tx.Dialect().Pick("?", "CAST(? AS tsvector)")+`)`, id, text)
	return err
}

// announce tells those who are named, and those who want to be told of all that
// the author posts.
func (d *DB) announce(tx *tx, s store.Status) error {
	if s.Visibility == store.Direct {
		if err := d.converse(tx, s); err != nil {
			return err
		}
	}
	for _, user := range s.Mentions {
		if err := d.addNotice(tx, store.Notice{User: user, Kind: store.NoticeMention, Actor: s.Author, Status: s.ID}); err != nil {
			return err
		}
	}
	if s.Reply || s.Visibility == store.Direct {
		return nil
	}
	// As one statement: it may be many.
	followers, err := collect(tx, scanID, `SELECT follower_id FROM follows WHERE target_id = ?1 AND state = 2 AND notify = 1
		AND follower_id NOT IN (SELECT value FROM json_each(?2))
		AND NOT EXISTS (SELECT 1 FROM mutes WHERE user_id = follower_id AND target_id = ?1 AND notifications = 1 AND (expires IS NULL OR expires > ?3))`,
		s.Author, jsonList(s.Mentions), d.now().UnixMilli()) // who is named was told
	if err != nil {
		return err
	}
	return d.addNotices(tx, followers, store.Notice{Kind: store.NoticeStatus, Actor: s.Author, Status: s.ID})
}

// statusColumns are what scanStatus scans.
const statusColumns = `SELECT s.id, s.author_id, s.visibility, s.text, s.spoiler, s.sensitive, s.language, s.app,
	s.reply, coalesce(s.parent_id, 0), coalesce(s.parent_author, 0), s.thread_id, coalesce(s.edited_at, 0), s.replies, s.favourites
	FROM statuses s `

func scanStatus(r sqldb.Rows) (s store.Status, err error) {
	var edited int64
	err = r.Scan(&s.ID, &s.Author, &s.Visibility, &s.Text, &s.Spoiler, &s.Sensitive, &s.Language, &s.App,
		&s.Reply, &s.Parent, &s.ParentAuthor, &s.Thread, &edited, &s.Replies, &s.Favourites)
	if edited != 0 {
		s.EditedAt = time.UnixMilli(edited)
	}
	return s, err
}

// readStatuses runs statusColumns with where and adds what belongs to the posts,
// in a number of statements that does not depend on how many there are.
func readStatuses(q sqldb.Queryer, where string, args ...any) ([]store.Status, error) {
	list, err := collect(q, scanStatus, statusColumns+where, args...)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	at := make(map[int64]*store.Status, len(list))
	ids := make([]int64, len(list))
	for i := range list {
		ids[i], at[list[i].ID] = list[i].ID, &list[i]
	}
	all := jsonList(ids)
	media, err := readMedia(q, `WHERE m.status_id IN (SELECT value FROM json_each(?)) ORDER BY m.status_id, m.position`, all)
	if err != nil {
		return nil, err
	}
	for _, m := range media {
		at[m.Status].Media = append(at[m.Status].Media, m)
	}
	_, err = collect(q, func(r sqldb.Rows) (none struct{}, err error) {
		var id, user int64
		if err = r.Scan(&id, &user); err == nil {
			at[id].Mentions = append(at[id].Mentions, user)
		}
		return none, err
	}, `SELECT status_id, user_id FROM mentions WHERE status_id IN (SELECT value FROM json_each(?)) ORDER BY status_id, user_id`, all)
	if err != nil {
		return nil, err
	}
	_, err = collect(q, func(r sqldb.Rows) (none struct{}, err error) {
		var id int64
		var name string
		if err = r.Scan(&id, &name); err == nil {
			at[id].Tags = append(at[id].Tags, name)
		}
		return none, err
	}, `SELECT t.status_id, g.name FROM status_tags t CROSS JOIN tags g ON g.id = t.tag_id
		WHERE t.status_id IN (SELECT value FROM json_each(?)) ORDER BY t.status_id, g.name`, all)
	return list, err
}

func oneStatus(q sqldb.Queryer, id int64) (store.Status, error) {
	list, err := readStatuses(q, `WHERE s.id = ?`, id)
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
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		s, err = oneStatus(q, id)
		return err
	})
	return s, wrap("read post", err)
}

// Statuses returns those of ids that are there, in their order.
func (d *DB) Statuses(ctx context.Context, ids []int64) (list []store.Status, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		list, err = statusesByID(q, ids)
		return err
	})
	return list, wrap("read posts", err)
}

func statusesByID(q sqldb.Queryer, ids []int64) ([]store.Status, error) {
	found, err := readStatuses(q, `WHERE s.id IN (SELECT value FROM json_each(?))`, jsonList(ids))
	if err != nil {
		return nil, err
	}
	at := make(map[int64]store.Status, len(found))
	for _, s := range found {
		at[s.ID] = s
	}
	list := make([]store.Status, 0, len(found))
	for _, id := range ids {
		if s, ok := at[id]; ok {
			list = append(list, s)
			delete(at, id) // one that is asked for twice is there once
		}
	}
	return list, nil
}
