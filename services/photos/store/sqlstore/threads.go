package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// Thread returns what is above and below a post.
func (d *DB) Thread(ctx context.Context, id int64, b store.Bounds) (ancestors, descendants []store.Status, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		up, err := collect(q, scanID, `WITH RECURSIVE up (id, n) AS (
				SELECT parent_id, 1 FROM statuses WHERE id = ?1
				UNION ALL SELECT s.parent_id, up.n + 1 FROM up JOIN statuses s ON s.id = up.id WHERE up.n < ?2)
			SELECT id FROM up WHERE id IS NOT NULL`, id, b.Ancestors)
		if err != nil {
			return err
		}
		slices.Reverse(up)
		if ancestors, err = statusesByID(q, up); err != nil {
			return err
		}
		// Breadth first, so that a bound cuts off the deepest answers.
		down, err := collect(q, scanEdge, `WITH RECURSIVE down (id, parent, n) AS (
				SELECT id, parent_id, 1 FROM statuses WHERE parent_id = ?1
				UNION ALL SELECT s.id, s.parent_id, down.n + 1 FROM down JOIN statuses s ON s.parent_id = down.id WHERE down.n < ?2
				ORDER BY 3, 1 LIMIT ?3)
			SELECT id, parent FROM down`, id, b.Depth, b.Descendants)
		if err != nil {
			return err
		}
		descendants, err = statusesByID(q, depthFirst(id, down))
		return err
	})
	return ancestors, descendants, wrap("read thread", err)
}

// An edge is a post below its parent.
type edge struct{ id, parent int64 }

func scanEdge(r sqldb.Rows) (e edge, err error) {
	err = r.Scan(&e.id, &e.parent)
	return e, err
}

// depthFirst orders the posts below root so that each stands before the answers
// to it, and answers to one post in the order of their ids.
func depthFirst(root int64, edges []edge) []int64 {
	below := map[int64][]int64{}
	for _, e := range edges {
		below[e.parent] = append(below[e.parent], e.id)
	}
	var out []int64
	stack := []int64{root}
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if id != root {
			out = append(out, id)
		}
		answers := below[id]
		slices.Sort(answers)
		for _, a := range slices.Backward(answers) {
			stack = append(stack, a)
		}
	}
	return out
}

// maxVersions is how many earlier versions of a post are kept; with more, the
// oldest but the first go.
const maxVersions = 100

// Rewrite changes a post and keeps what it was.
func (d *DB) Rewrite(ctx context.Context, w store.Rewrite) (s store.Status, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		old, err := oneStatus(tx, w.ID)
		if err != nil {
			return err
		}
		if old.Author != w.Author {
			return store.ErrNotFound
		}
		if unchanged(old, w) {
			s = old
			return nil
		}
		if err := d.keepVersion(tx, old); err != nil {
			return err
		}
		if err := d.exchange(tx, old, w); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE statuses SET text = ?, spoiler = ?, sensitive = ?, language = ?, pictures = ?, edited_at = ? WHERE id = ?`,
			w.Text, w.Spoiler, w.Sensitive, w.Language, len(w.MediaIDs), d.now().UnixMilli(), w.ID)
		if err != nil {
			return err
		}
		if err := d.readdress(tx, old, w); err != nil {
			return err
		}
		if err := index(tx, w.ID); err != nil {
			return err
		}
		if s, err = oneStatus(tx, w.ID); err == nil && s.Visibility == store.Direct {
			err = d.converse(tx, s)
		}
		tx.happened(store.Event{Kind: store.StatusEdited, Status: s})
		return err
	})
	return s, wrap("change post", err)
}

// unchanged tells whether w changes nothing that a version would have.
func unchanged(s store.Status, w store.Rewrite) bool {
	ids := make([]int64, 0, len(s.Media))
	for _, m := range s.Media {
		ids = append(ids, m.ID)
	}
	return s.Text == w.Text && s.Spoiler == w.Spoiler && s.Sensitive == w.Sensitive && s.Language == w.Language &&
		slices.Equal(ids, w.MediaIDs) && len(w.Edits) == 0
}

// keepVersion stores what a post is until now.
func (d *DB) keepVersion(tx *tx, s store.Status) error {
	at := s.EditedAt
	if at.IsZero() {
		at = TimeOf(s.ID)
	}
	ids := make([]int64, len(s.Media))
	for i, m := range s.Media {
		ids[i] = m.ID
	}
	_, err := tx.Exec(`INSERT INTO versions (status_id, at, text, spoiler, sensitive, media) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (status_id, at) DO UPDATE SET text = excluded.text, spoiler = excluded.spoiler, sensitive = excluded.sensitive, media = excluded.media`,
		s.ID, at.UnixMilli(), s.Text, s.Spoiler, s.Sensitive, jsonList(ids))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM versions WHERE status_id = ?1 AND at > (SELECT min(at) FROM versions WHERE status_id = ?1)
		AND at <= (SELECT at FROM versions WHERE status_id = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)`, s.ID, maxVersions)
	return err
}

// exchange makes the pictures of a post those of w.
func (d *DB) exchange(tx *tx, old store.Status, w store.Rewrite) error {
	for _, m := range old.Media {
		if slices.Contains(w.MediaIDs, m.ID) {
			continue
		}
		if err := d.detach(tx, m.ID); err != nil {
			return err
		}
	}
	return attach(tx, w.ID, w.Author, w.MediaIDs, w.Edits)
}

// readdress makes mentions and tags those of w and tells who is named newly.
func (d *DB) readdress(tx *tx, old store.Status, w store.Rewrite) error {
	for _, table := range []string{"mentions", "status_tags"} {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE status_id = ?`, w.ID); err != nil {
			return err
		}
	}
	if err := d.address(tx, w.ID, old.Visibility, w.Mentions, w.Tags); err != nil {
		return err
	}
	for _, user := range w.Mentions {
		if slices.Contains(old.Mentions, user) {
			continue
		}
		if err := d.addNotice(tx, store.Notice{User: user, Kind: store.NoticeMention, Actor: w.Author, Status: w.ID}); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`DELETE FROM notices WHERE status_id = ? AND kind = ? AND user_id NOT IN (SELECT value FROM json_each(?))`,
		w.ID, store.NoticeMention, jsonList(w.Mentions))
	return err
}

// Versions lists what a post was and is, oldest first.
func (d *DB) Versions(ctx context.Context, id int64) (list []store.Version, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		s, err := oneStatus(q, id)
		if err != nil {
			return err
		}
		has := make(map[int64]store.Media, len(s.Media))
		for _, m := range s.Media {
			has[m.ID] = m
		}
		list, err = collect(q, func(r sqldb.Rows) (v store.Version, err error) {
			var at int64
			var ids idList
			err = r.Scan(&at, &v.Text, &v.Spoiler, &v.Sensitive, &ids)
			v.At = time.UnixMilli(at)
			for _, m := range ids {
				if picture, ok := has[m]; ok {
					v.Media = append(v.Media, picture)
				}
			}
			return v, err
		}, `SELECT at, text, spoiler, sensitive, media FROM versions WHERE status_id = ? ORDER BY at`, id)
		last := store.Version{At: s.EditedAt, Text: s.Text, Spoiler: s.Spoiler, Sensitive: s.Sensitive, Media: s.Media}
		if last.At.IsZero() {
			last.At = TimeOf(id)
		}
		list = append(list, last)
		return err
	})
	return list, wrap("read versions of a post", err)
}
