package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// AddStory keeps a story.
func (d *DB) AddStory(ctx context.Context, s store.Story) (store.Story, error) {
	err := d.db.Write(ctx, func(tx *tx) error {
		s.ID = tx.nextID()
		res, err := tx.Exec(`UPDATE media SET story_id = ?, loose_since = NULL WHERE id = ? AND owner_id = ? AND loose_since IS NOT NULL AND `+presentable,
			s.ID, s.Media.ID, s.Owner)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(whyNot(tx, s.Media.ID, s.Owner), err)
		}
		_, err = tx.Exec(`INSERT INTO stories (id, owner_id, media_id, visibility, caption, expires) VALUES (?, ?, ?, ?, ?, ?)`,
			s.ID, s.Owner, s.Media.ID, s.Visibility, s.Caption, s.Expires.UnixMilli())
		if err != nil {
			return err
		}
		s, err = oneStory(tx, s.ID, s.Owner)
		return err
	})
	return s, wrap("keep story", err)
}

// presentable is true of pictures that can be shown.
const presentable = `problem = '' AND (complete = 1 OR EXISTS (SELECT 1 FROM sizes WHERE media_id = media.id))`

// whyNot says why a picture of owner could not be attached.
func whyNot(q sqldb.Queryer, id, owner int64) error {
	m, err := oneMedia(q, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.ErrMedia
	case err != nil:
		return err
	case m.Owner == owner && m.Status == 0 && m.Story == 0 && m.Problem == "":
		return store.ErrPending
	}
	return store.ErrMedia
}

// readStories reads stories as viewer sees them; where follows ?1, the viewer.
func readStories(q sqldb.Queryer, viewer int64, where string, args ...any) ([]store.Story, error) {
	list, err := collect(q, func(r sqldb.Rows) (s store.Story, err error) {
		var expires int64
		err = r.Scan(&s.ID, &s.Owner, &s.Media.ID, &s.Visibility, &s.Caption, &expires, &s.Views, &s.Seen)
		s.Expires = time.UnixMilli(expires)
		return s, err
	}, `SELECT id, owner_id, media_id, visibility, caption, expires,
		(SELECT count(*) FROM story_views WHERE story_id = stories.id),
		EXISTS (SELECT 1 FROM story_views WHERE story_id = stories.id AND user_id = ?)
		FROM stories `+where, append([]any{viewer}, args...)...)
	if err != nil || len(list) == 0 {
		return list, err
	}
	ids := make([]int64, len(list))
	for i, s := range list {
		ids[i] = s.Media.ID
	}
	media, err := readMedia(q, `WHERE m.id IN (SELECT value FROM json_each(?))`, jsonList(ids))
	if err != nil {
		return nil, err
	}
	at := make(map[int64]store.Media, len(media))
	for _, m := range media {
		at[m.ID] = m
	}
	for i := range list {
		list[i].Media = at[list[i].Media.ID]
	}
	return list, nil
}

func oneStory(q sqldb.Queryer, id, viewer int64) (store.Story, error) {
	list, err := readStories(q, viewer, `WHERE id = ?`, id)
	if err != nil {
		return store.Story{}, err
	}
	if len(list) == 0 {
		return store.Story{}, store.ErrNotFound
	}
	return list[0], nil
}

// Story returns a story.
func (d *DB) Story(ctx context.Context, id, viewer int64) (s store.Story, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		s, err = oneStory(q, id, viewer)
		return err
	})
	return s, wrap("read story", err)
}

// Stories lists those that are shown.
func (d *DB) Stories(ctx context.Context, owners []int64, viewer int64, now time.Time) (list []store.Story, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		list, err = readStories(q, viewer, `WHERE owner_id IN (SELECT value FROM json_each(?)) AND expires > ? ORDER BY id`, jsonList(owners), now.UnixMilli())
		return err
	})
	return list, wrap("list stories", err)
}

// SeeStory notes that viewer has seen a story.
func (d *DB) SeeStory(ctx context.Context, id, viewer int64) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		if _, err := oneStory(tx, id, viewer); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO story_views (story_id, user_id, seen_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, id, viewer, d.now().UnixMilli())
		return err
	})
	return wrap("note a view", err)
}

// StoryViews lists who has seen a story, the last ones first.
func (d *DB) StoryViews(ctx context.Context, id int64, limit int) (list []store.View, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		list, err = collect(q, func(r sqldb.Rows) (v store.View, err error) {
			var at int64
			err = r.Scan(&v.User, &at)
			v.At = time.UnixMilli(at)
			return v, err
		}, `SELECT user_id, seen_at FROM story_views WHERE story_id = ? ORDER BY seen_at DESC, user_id DESC LIMIT ?`, id, limit)
		return err
	})
	return list, wrap("list views", err)
}

// RemoveStory removes a story of owner with its picture.
func (d *DB) RemoveStory(ctx context.Context, id, owner int64) (gone store.Media, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		s, err := oneStory(tx, id, owner)
		if err != nil {
			return err
		}
		if s.Owner != owner {
			return store.ErrNotFound
		}
		gone = s.Media
		return removeMedia(tx, s.Media) // the story goes with it
	})
	return gone, wrap("remove story", err)
}

// ExpireStories removes what was shown long enough.
func (d *DB) ExpireStories(ctx context.Context, now time.Time, limit int) (gone []store.Media, err error) {
	err = d.db.Write(ctx, func(tx *tx) (err error) {
		gone, err = readMedia(tx, `WHERE m.id IN (SELECT media_id FROM stories WHERE expires <= ? ORDER BY expires LIMIT ?)`, now.UnixMilli(), limit)
		for _, m := range gone {
			if err == nil {
				err = removeMedia(tx, m)
			}
		}
		return err
	})
	return gone, wrap("expire stories", err)
}
