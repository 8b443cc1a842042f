package sqlstore

import (
	"context"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

const markerColumns = `SELECT timeline, last_read, version, updated FROM markers WHERE user_id = ? `

func scanMarker(r sqldb.Rows) (m store.Marker, err error) {
	var updated int64
	err = r.Scan(&m.Timeline, &m.LastRead, &m.Version, &updated)
	m.Updated = time.UnixMilli(updated)
	return m, err
}

// Markers are up to where user has read.
func (d *DB) Markers(ctx context.Context, user int64) (list []store.Marker, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err = collect(q, scanMarker, markerColumns+`ORDER BY timeline`, user)
		return err
	})
	return list, wrap("read markers", err)
}

// SetMarker notes up to where user has read.
func (d *DB) SetMarker(ctx context.Context, user int64, timeline string, lastRead int64) (m store.Marker, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		_, err := tx.Exec(`INSERT INTO markers (user_id, timeline, last_read, version, updated) VALUES (?, ?, ?, 1, ?)
			ON CONFLICT (user_id, timeline) DO UPDATE SET last_read = excluded.last_read, version = markers.version + 1, updated = excluded.updated`,
			user, timeline, lastRead, d.now().UnixMilli())
		if err != nil {
			return err
		}
		list, err := collect(tx, scanMarker, markerColumns+`AND timeline = ?`, user, timeline)
		if err == nil {
			m = list[0]
		}
		return err
	})
	return m, wrap("set marker", err)
}

// BlockDomain keeps a domain.
func (d *DB) BlockDomain(ctx context.Context, user int64, domain string) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		if err := bound(tx, store.MaxDomains, `SELECT count(*) FROM domain_blocks WHERE user_id = ? AND domain <> ?`, user, domain); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO domain_blocks (id, user_id, domain) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, tx.nextID(), user, domain)
		return err
	})
	return wrap("block domain", err)
}

// UnblockDomain forgets a domain.
func (d *DB) UnblockDomain(ctx context.Context, user int64, domain string) error {
	return d.change(ctx, "unblock domain", `DELETE FROM domain_blocks WHERE user_id = ? AND domain = ?`, user, domain)
}

func scanNamed(r sqldb.Rows) (e store.NamedEntry, err error) { return e, r.Scan(&e.ID, &e.Name) }

// DomainBlocks is a page of user's.
func (d *DB) DomainBlocks(ctx context.Context, user int64, p store.Page) (list []store.NamedEntry, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err = readPage(q, p, scanNamed, `SELECT id, domain FROM domain_blocks WHERE user_id = ?`, user)
		return err
	})
	return list, wrap("list domains", err)
}

// featuredTags reads tags with how often their user posted with them. They have
// few tags, so each is counted among their posts.
func featuredTags(q sqldb.Queryer, where string, args ...any) ([]store.FeaturedTag, error) {
	return collect(q, func(r sqldb.Rows) (t store.FeaturedTag, err error) {
		var last *int64
		err = r.Scan(&t.ID, &t.Name, &t.Statuses, &last)
		if last != nil {
			t.Last = TimeOf(*last)
		}
		return t, err
	}, `SELECT f.id, f.name, count(s.id), max(s.id) FROM featured_tags f
		LEFT JOIN statuses s ON s.author_id = f.user_id AND s.visibility IN (1, 2)
			AND EXISTS (SELECT 1 FROM status_tags st WHERE st.status_id = s.id AND st.tag_id = (SELECT id FROM tags WHERE name = f.name))
		WHERE `+where+` GROUP BY f.id ORDER BY f.id`, args...)
}

// FeaturedTags are user's.
func (d *DB) FeaturedTags(ctx context.Context, user int64) (list []store.FeaturedTag, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err = featuredTags(q, `f.user_id = ?`, user)
		return err
	})
	return list, wrap("list featured tags", err)
}

// AddFeaturedTag shows a tag on user's profile; one that is there stays.
func (d *DB) AddFeaturedTag(ctx context.Context, user int64, name string) (t store.FeaturedTag, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		if err := bound(tx, store.MaxFeatured, `SELECT count(*) FROM featured_tags WHERE user_id = ? AND name <> ?`, user, name); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO featured_tags (id, user_id, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, tx.nextID(), user, name); err != nil {
			return err
		}
		list, err := featuredTags(tx, `f.user_id = ? AND f.name = ?`, user, name)
		if err == nil {
			t = list[0]
		}
		return err
	})
	return t, wrap("feature tag", err)
}

// DeleteFeaturedTag takes a tag off user's profile.
func (d *DB) DeleteFeaturedTag(ctx context.Context, user, id int64) error {
	return d.changeRow(ctx, "delete featured tag", `DELETE FROM featured_tags WHERE id = ? AND user_id = ?`, id, user)
}

// Active is how many people posted since a time.
func (d *DB) Active(ctx context.Context, since time.Time) (n int64, err error) {
	return d.number(ctx, "count active people", `SELECT count(*) FROM profiles WHERE last_status_at >= ?`, since.UnixMilli())
}

// Posted is how many posts were made from a time to another.
func (d *DB) Posted(ctx context.Context, from, to time.Time) (n int64, err error) {
	return d.number(ctx, "count posts", `SELECT count(*) FROM statuses WHERE id >= ? AND id < ?`, from.UnixMilli()<<16, to.UnixMilli()<<16)
}

func (d *DB) number(ctx context.Context, action, query string, args ...any) (n int64, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error { return q.QueryRow(query, args...).Scan(&n) })
	return n, wrap(action, err)
}

// socialLeft are what else is somebody's, or about them.
var socialLeft = []string{
	`DELETE FROM portraits WHERE user_id = ?`,
	`DELETE FROM mutes WHERE user_id = ?1 OR target_id = ?1`,
	`DELETE FROM notes WHERE user_id = ?1 OR target_id = ?1`,
	`DELETE FROM endorsements WHERE user_id = ?1 OR target_id = ?1`,
	`DELETE FROM dismissals WHERE user_id = ?1 OR target_id = ?1`,
	`DELETE FROM domain_blocks WHERE user_id = ?`,
	`DELETE FROM list_members WHERE user_id = ?`,
	`DELETE FROM lists WHERE owner_id = ?`,
	`DELETE FROM filters WHERE user_id = ?`,
	`DELETE FROM markers WHERE user_id = ?`,
	`DELETE FROM featured_tags WHERE user_id = ?`,
}

// eraseSocial ends up to limit follows of user and by user, and removes all else
// with the last of them. Portraits are returned as pictures of the bytes that
// nothing may need any more.
func (d *DB) eraseSocial(tx *tx, user int64, limit int) (gone []store.Media, more bool, err error) {
	n := 0
	for _, where := range []string{`WHERE follower_id = ? LIMIT ?`, `WHERE target_id = ? LIMIT ?`} {
		list, err := collect(tx, scanFollow, followColumns+where, user, limit)
		if err != nil {
			return nil, false, err
		}
		for _, f := range list {
			if err := d.removeFollow(tx, f); err != nil {
				return nil, false, err
			}
		}
		n = max(n, len(list))
	}
	if n == limit {
		return nil, true, nil
	}
	files, err := collect(tx, scanFile, `SELECT hash, type, bytes, width, height FROM portraits WHERE user_id = ?`, user)
	if err != nil {
		return nil, false, err
	}
	for _, f := range files {
		gone = append(gone, store.Media{Owner: user, Original: f})
	}
	for _, query := range socialLeft {
		if _, err := tx.Exec(query, user); err != nil {
			return nil, false, err
		}
	}
	return gone, false, nil
}
