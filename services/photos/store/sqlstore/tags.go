package sqlstore

import (
	"context"
	"errors"
	"time"
	"unicode"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

const dayMilli = int64(24 * time.Hour / time.Millisecond)

// tagID is the id of a tag, which is made where it is missing.
func (d *DB) tagID(tx *tx, name string) (id int64, err error) {
	err = tx.QueryRow(`SELECT id FROM tags WHERE name = ?`, name).Scan(&id)
	if !errors.Is(err, sqldb.ErrNoRows) {
		return id, err
	}
	id = tx.nextID()
	_, err = tx.Exec(`INSERT INTO tags (id, name) VALUES (?, ?)`, id, name)
	return id, err
}

// Tags returns tags by their names.
func (d *DB) Tags(ctx context.Context, user int64, names []string) (list []store.Tag, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list = list[:0]
		for _, name := range names {
			list = append(list, store.Tag{Name: name})
		}
		return d.describe(q, user, list)
	})
	return list, wrap("read tags", err)
}

// describe adds to tags with names what else is known. An id that is set stays.
func (d *DB) describe(q sqldb.Queryer, user int64, list []store.Tag) error {
	today := d.now().UnixMilli() / dayMilli
	names := make([]string, len(list))
	at := make(map[string]*store.Tag, len(list))
	for i := range list {
		t := &list[i]
		names[i], at[t.Name] = t.Name, t
		t.History = make([]store.TagDay, store.TagDays)
		for n := range t.History {
			t.History[n].Day = time.UnixMilli((today - int64(n)) * dayMilli).UTC()
		}
	}
	all := jsonText(names)
	_, err := collect(q, func(r sqldb.Rows) (none struct{}, err error) {
		var name string
		var id int64
		var following bool
		if err = r.Scan(&name, &id, &following); err != nil {
			return none, err
		}
		t := at[name]
		if t.Following = following; t.ID == 0 {
			t.ID = id
		}
		return none, nil
	}, `SELECT name, id, EXISTS (SELECT 1 FROM tag_follows f WHERE f.user_id = ?2 AND f.tag_id = tags.id)
		FROM tags WHERE name IN (SELECT CAST(value AS TEXT) FROM json_each(?1))`, all, user)
	if err != nil {
		return err
	}
	first := (today - store.TagDays + 1) * dayMilli
	_, err = collect(q, func(r sqldb.Rows) (none struct{}, err error) {
		var name string
		var day int64
		var n store.TagDay
		if err = r.Scan(&name, &day, &n.Uses, &n.Accounts); err != nil {
			return none, err
		}
		if ago := today - day; ago >= 0 && ago < store.TagDays { // a clock may have gone back
			h := &at[name].History[ago]
			h.Uses, h.Accounts = n.Uses, n.Accounts
		}
		return none, nil
	}, `SELECT g.name, (t.status_id >> 16) / `+dayText+`, count(*), count(DISTINCT s.author_id)
		FROM tags g CROSS JOIN status_tags t ON t.tag_id = g.id CROSS JOIN statuses s ON s.id = t.status_id
		WHERE g.name IN (SELECT CAST(value AS TEXT) FROM json_each(?1)) AND t.visibility = 1 AND t.status_id >= ?2 GROUP BY 1, 2`, all, first<<16)
	return err
}

const dayText = "86400000"

// FollowTag has user follow a tag or not.
func (d *DB) FollowTag(ctx context.Context, user int64, name string, on bool) error {
	return wrap("follow tag", d.db.Write(ctx, func(tx *tx) error {
		if !on {
			_, err := tx.Exec(`DELETE FROM tag_follows WHERE user_id = ? AND tag_id = (SELECT id FROM tags WHERE name = ?)`, user, name)
			return err
		}
		var n int
		if err := tx.QueryRow(`SELECT count(*) FROM tag_follows WHERE user_id = ?`, user).Scan(&n); err != nil {
			return err
		}
		if n >= store.MaxTagFollows {
			return store.ErrTooManyTags
		}
		tag, err := d.tagID(tx, name)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO tag_follows (id, user_id, tag_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, tx.nextID(), user, tag)
		return err
	}))
}

// FollowedTags lists those that user follows, with the ids of the follows.
func (d *DB) FollowedTags(ctx context.Context, user int64, p store.Page) (list []store.Tag, err error) {
	var q query
	q.and(`f.user_id = ?`, user)
	q.page("f.id", p)
	where, args := q.ordered("f.id", p)
	err = d.db.Read(ctx, func(r sqldb.Queryer) error {
		list, err = collect(r, func(r sqldb.Rows) (t store.Tag, err error) {
			err = r.Scan(&t.ID, &t.Name)
			return t, err
		}, `SELECT f.id, g.name FROM tag_follows f CROSS JOIN tags g ON g.id = f.tag_id `+where, args...)
		if err != nil {
			return err
		}
		return d.describe(r, user, list)
	})
	return newestFirst(list, p), wrap("list followed tags", err)
}

// maxTagCandidates is how many tags with a prefix are compared, in the order of
// the alphabet.
const maxTagCandidates = 500

// SearchTags finds tags by the start of their names.
func (d *DB) SearchTags(ctx context.Context, user int64, prefix string, limit, offset int) (list []store.Tag, err error) {
	if prefix == "" {
		return nil, nil
	}
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err = collect(q, scanTagName, `SELECT name FROM (SELECT id, name FROM tags WHERE name >= ?1 AND name < ?5 ORDER BY name LIMIT ?4) g
			WHERE EXISTS (SELECT 1 FROM status_tags t WHERE t.tag_id = g.id AND t.visibility = 1)
			ORDER BY name <> ?1, (SELECT count(*) FROM (SELECT 1 FROM status_tags t WHERE t.tag_id = g.id AND t.visibility = 1 LIMIT 1000) n) DESC, name
			LIMIT ?2 OFFSET ?3`, prefix, limit, offset, maxTagCandidates, prefix+string(unicode.MaxRune))
		if err != nil {
			return err
		}
		return d.describe(q, user, list)
	})
	return list, wrap("search tags", err)
}

func scanTagName(r sqldb.Rows) (t store.Tag, err error) {
	err = r.Scan(&t.Name)
	return t, err
}

// Trends look at so many posts, the newest.
const trendWindow = 5000

// TrendingTags are used by most people these days.
func (d *DB) TrendingTags(ctx context.Context, user int64, limit, offset int) (list []store.Tag, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err = collect(q, scanTagName, `SELECT g.name FROM
			(SELECT id, author_id FROM statuses WHERE visibility = 1 AND reply = 0 AND id > ?1 ORDER BY id DESC LIMIT ?2) s
			CROSS JOIN status_tags t ON t.status_id = s.id CROSS JOIN tags g ON g.id = t.tag_id
			GROUP BY g.id ORDER BY count(DISTINCT s.author_id) DESC, count(*) DESC, g.name LIMIT ?3 OFFSET ?4`,
			d.trendStart(), trendWindow, limit, offset)
		if err != nil {
			return err
		}
		return d.describe(q, user, list)
	})
	return list, wrap("read trending tags", err)
}

// trendStart is the first id of these days.
func (d *DB) trendStart() int64 {
	return (d.now().UnixMilli() - store.TagDays*dayMilli) << 16
}

// TrendingStatuses are posts that get most attention these days.
func (d *DB) TrendingStatuses(ctx context.Context, exclude []int64, limit, offset int) (list []store.Status, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		ids, err := collect(q, scanID, `SELECT id FROM
			(SELECT id, author_id, favourites + 2 * replies AS score FROM statuses WHERE visibility = 1 AND reply = 0 AND id > ?1 ORDER BY id DESC LIMIT ?2) s
			WHERE score > 0 AND author_id NOT IN (SELECT value FROM json_each(?3)) ORDER BY score DESC, id DESC LIMIT ?4 OFFSET ?5`,
			d.trendStart(), trendWindow, jsonList(exclude), limit, offset)
		if err != nil {
			return err
		}
		list, err = statusesByID(q, ids)
		return err
	})
	return list, wrap("read trending posts", err)
}
