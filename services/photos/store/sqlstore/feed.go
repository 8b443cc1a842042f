package sqlstore

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// Feed selects a page of posts, newest first.
func (d *DB) Feed(ctx context.Context, f store.Feed) (list []store.Status, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) (err error) {
		list, err = d.readFeed(q, f)
		return err
	})
	return newestFirst(list, f.Page), wrap("read feed", err)
}

func (d *DB) readFeed(q sqldb.Queryer, f store.Feed) ([]store.Status, error) {
	var where string
	var args []any
	switch {
	case f.Home != 0:
		return d.readNear(q, homeSources, f, f.Home)
	case f.List != 0:
		return d.readNear(q, listSources, f, f.List)
	case f.Tags != nil:
		where, args = d.many(tagSources, f, f.Viewer)
		args = append(args, jsonText(f.Tags.Any), jsonText(f.Tags.All), jsonText(f.Tags.None))
	default:
		where, args = d.few(f)
	}
	return readStatuses(q, where, args...)
}

// CountPosts counts the posts that all pages of a feed of authors have.
func (d *DB) CountPosts(ctx context.Context, f store.Feed) (n int64, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT count(*) FROM statuses s WHERE s.author_id IN (SELECT value FROM json_each(?1))
			AND s.visibility IN (`+visibilityList(f.Visibilities)+`) AND (?2 = 0 OR s.reply = 0) AND (?3 = 0 OR s.pictures > 0)`,
			jsonList(f.Authors), f.NoReplies, f.OnlyMedia).Scan(&n)
	})
	return n, wrap("count posts", err)
}

// windows are in which time a page is looked for first: most are full within it,
// and then only so much is read of each of the people somebody follows.
var windows = [...]time.Duration{48 * time.Hour, 20 * 24 * time.Hour}

// readNear reads a page of sources near the end where it begins, and further
// where that does not fill it.
func (d *DB) readNear(q sqldb.Queryer, sources string, f store.Feed, subject int64) ([]store.Status, error) {
	for _, w := range windows {
		near, span := f, w.Milliseconds()<<16
		if f.Min > 0 {
			near.Max = earlier(f.Max, f.Min+span)
		} else {
			near.Since = max(f.Since, earlier(f.Max, d.now().UnixMilli()<<16)-span)
		}
		where, args := d.many(sources, near, subject)
		list, err := readStatuses(q, where, args...)
		if err != nil || len(list) >= max(f.Limit, 1) {
			return list, err
		}
	}
	where, args := d.many(sources, f, subject)
	return readStatuses(q, where, args...)
}

// earlier is the lower of two bounds, of which the first may be none.
func earlier(a, b int64) int64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// notMuted takes the author whom ?1 has muted out; ?5 is now, ?6 who else.
const notMuted = ` NOT IN (SELECT target_id FROM mutes WHERE user_id = ?1 AND (expires IS NULL OR expires > ?5)) `

const notExcluded = ` NOT IN (SELECT value FROM json_each(?6)) `

// inPage is a part of a page; a page of x above Min is the oldest of it.
const inPage = ` AND (?7 = 0 OR x.pictures > 0) ORDER BY x.id {DIR} LIMIT ?4`

// The sources of a feed are few people or tags, of each of which the newest
// posts are read by an index and merged: what it costs depends on how many they
// are, not on how many posts there are. ?1 is who asks, ?2 and ?3 are the bounds
// of ids, ?4 is the limit, ?5 now, ?6 who is left out, ?7 only with pictures. Home
// has one's own direct posts, and those of people whom one follows that name one.
const homeSources = `SELECT p.id FROM (SELECT CAST(?1 AS bigint) AS who, '' AS languages UNION ALL
		SELECT target_id, languages FROM follows WHERE follower_id = ?1 AND state = 2
			AND target_id ` + notMuted + ` AND target_id ` + notExcluded + ` AND target_id NOT IN
			(SELECT m.user_id FROM lists l JOIN list_members m ON m.list_id = l.id WHERE l.owner_id = ?1 AND l.exclusive = 1)) a
	CROSS JOIN statuses p ON p.id IN (SELECT x.id FROM statuses x
		WHERE x.author_id = a.who AND x.visibility < 4 AND x.reply = 0 AND x.id < ?2 AND x.id > ?3
			AND (a.languages = '' OR x.language = '' OR instr(' ' || a.languages || ' ', ' ' || x.language || ' ') > 0)` + inPage + `) WHERE true
	UNION SELECT p.id FROM tag_follows f CROSS JOIN statuses p ON p.id IN (
		SELECT x.id FROM status_tags t CROSS JOIN statuses x ON x.id = t.status_id
		WHERE t.tag_id = f.tag_id AND t.visibility = 1 AND t.status_id < ?2 AND t.status_id > ?3 AND x.reply = 0
			AND x.author_id ` + notMuted + ` AND x.author_id ` + notExcluded + inTagPage + `) WHERE f.user_id = ?1
	UNION SELECT o.id FROM (SELECT x.id FROM statuses x
		WHERE x.author_id = ?1 AND x.visibility = 4 AND x.reply = 0 AND x.id < ?2 AND x.id > ?3` + inPage + `) o
	UNION SELECT o.id FROM (SELECT x.id FROM mentions m CROSS JOIN statuses x ON x.id = m.status_id
		WHERE m.user_id = ?1 AND m.status_id < ?2 AND m.status_id > ?3 AND x.visibility = 4 AND x.reply = 0
			AND ` + ofFollowed + `
			AND x.author_id ` + notMuted + ` AND x.author_id ` + notExcluded + inMentionPage + `) o`

// ofFollowed tells whether x is of somebody whom ?1 follows, in a language that ?1
// wants of them, and not for a list alone.
const ofFollowed = `EXISTS (SELECT 1 FROM follows f WHERE f.follower_id = ?1 AND f.target_id = x.author_id AND f.state = 2
	AND (f.languages = '' OR x.language = '' OR instr(' ' || f.languages || ' ', ' ' || x.language || ' ') > 0)
	AND NOT EXISTS (SELECT 1 FROM lists l JOIN list_members m ON m.list_id = l.id
		WHERE l.owner_id = ?1 AND l.exclusive = 1 AND m.user_id = x.author_id))`

// inMentionPage is inPage for posts that are found by whom they name.
const inMentionPage = ` AND (?7 = 0 OR x.pictures > 0) ORDER BY m.status_id {DIR} LIMIT ?4`

// inTagPage is inPage for posts that are found by their tags.
const inTagPage = ` AND (?7 = 0 OR x.pictures > 0) ORDER BY t.status_id {DIR} LIMIT ?4`

const listSources = `SELECT p.id FROM lists l CROSS JOIN list_members m ON m.list_id = l.id
	CROSS JOIN statuses p ON p.id IN (SELECT x.id FROM statuses x
		WHERE x.author_id = m.user_id AND x.visibility < 4 AND x.id < ?2 AND x.id > ?3 AND (` + listReply + `)` + inPage + `) WHERE
	l.id = ?1 AND m.user_id ` + notExcluded + `
	AND m.user_id NOT IN (SELECT target_id FROM mutes WHERE user_id = l.owner_id AND (expires IS NULL OR expires > ?5))`

// listReply tells whether list l shows answer x of a member.
const listReply = `x.reply = 0 OR x.parent_author = x.author_id
	OR l.replies = 'list' AND x.parent_author IN (SELECT user_id FROM list_members WHERE list_id = l.id)
	OR l.replies = 'followed' AND x.parent_author IN (SELECT target_id FROM follows WHERE follower_id = l.owner_id AND state = 2)`

// tagSources have ?8 any of, ?9 all of and ?10 none of some tags.
const tagSources = `SELECT p.id FROM tags g CROSS JOIN statuses p ON p.id IN (
		SELECT x.id FROM status_tags t CROSS JOIN statuses x ON x.id = t.status_id
		WHERE t.tag_id = g.id AND t.visibility = 1 AND t.status_id < ?2 AND t.status_id > ?3
			AND x.author_id ` + notMuted + ` AND x.author_id ` + notExcluded + `
			AND NOT EXISTS (SELECT 1 FROM (SELECT CAST(value AS TEXT) AS name FROM json_each(?9)) n WHERE NOT EXISTS
				(SELECT 1 FROM tags o JOIN status_tags y ON y.tag_id = o.id AND y.status_id = x.id WHERE o.name = n.name))
			AND NOT EXISTS (SELECT 1 FROM (SELECT CAST(value AS TEXT) AS name FROM json_each(?10)) n JOIN tags o ON o.name = n.name
				JOIN status_tags y ON y.tag_id = o.id AND y.status_id = x.id)` + inTagPage + `) WHERE
	g.name IN (SELECT CAST(value AS TEXT) FROM json_each(?8))`

// many is a feed of sources for the subject ?1.
func (d *DB) many(sources string, f store.Feed, subject int64) (string, []any) {
	upper := f.Max
	if upper <= 0 {
		upper = math.MaxInt64
	}
	dir := direction(f.Page)
	where := `WHERE s.id IN (` + strings.ReplaceAll(sources, `{DIR}`, dir) + ` ORDER BY 1` + dir + ` LIMIT ?4) ORDER BY s.id` + dir
	return where, []any{subject, upper, max(f.Since, f.Min), max(f.Limit, 1), d.now().UnixMilli(), jsonList(f.Exclude), f.OnlyMedia}
}

// few is a feed of everybody or of authors. It writes visibilities into the
// text, not as arguments: only so does the partial index serve. There are few of
// them, so the texts stay few.
func (d *DB) few(f store.Feed) (string, []any) {
	var q query
	see := `s.visibility IN (` + visibilityList(f.Visibilities) + `)`
	if len(f.Visibilities) == 1 {
		see = `s.visibility = ` + visibilityList(f.Visibilities)
	}
	if f.Viewer != 0 && f.Authors != nil {
		q.and(`(`+see+` OR EXISTS (SELECT 1 FROM mentions m WHERE m.status_id = s.id AND m.user_id = ?))`, f.Viewer)
	} else {
		q.and(see)
	}
	switch {
	case len(f.Authors) == 1:
		q.and(`s.author_id = ?`, f.Authors[0]) // in the order of the index
	case f.Authors != nil:
		q.and(`s.author_id IN (SELECT value FROM json_each(?))`, jsonList(f.Authors))
	}
	switch {
	case f.NoReplies && f.Authors == nil:
		q.and(`s.reply = 0`)
	case f.NoReplies:
		q.and(`(s.reply = 0 OR s.parent_author = s.author_id)`)
	}
	if f.OnlyMedia {
		q.and(`s.pictures > 0`)
	}
	if f.Tagged != "" {
		q.and(`EXISTS (SELECT 1 FROM tags g JOIN status_tags t ON t.tag_id = g.id AND t.status_id = s.id WHERE g.name = ?)`, f.Tagged)
	}
	if f.Pinned {
		q.and(`EXISTS (SELECT 1 FROM marks k WHERE k.status_id = s.id AND k.kind = 3 AND k.user_id = s.author_id)`)
	}
	if f.Exclude != nil {
		q.and(`s.author_id NOT IN (SELECT value FROM json_each(?))`, jsonList(f.Exclude))
		q.and(`s.author_id NOT IN (SELECT target_id FROM mutes WHERE user_id = ? AND (expires IS NULL OR expires > ?))`, f.Viewer, d.now().UnixMilli())
	}
	q.page("s.id", f.Page)
	return q.ordered("s.id", f.Page)
}

func visibilityList(list []store.Visibility) string {
	if len(list) == 0 {
		return "0" // no post has it
	}
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('0' + byte(v))
	}
	return b.String()
}

// InHome tells whether user's home timeline has a post.
func (d *DB) InHome(ctx context.Context, user, status int64) (yes bool, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT EXISTS (SELECT 1 FROM statuses x WHERE x.id = ?2 AND x.reply = 0
			AND (x.visibility < 4 OR x.author_id = ?1 OR EXISTS (SELECT 1 FROM mentions m WHERE m.status_id = x.id AND m.user_id = ?1))
			AND x.author_id `+strings.ReplaceAll(notMuted, "?5", "?3")+` AND (x.author_id = ?1 OR `+ofFollowed+`
			OR x.visibility = 1 AND EXISTS (SELECT 1 FROM status_tags t JOIN tag_follows f ON f.tag_id = t.tag_id
				WHERE t.status_id = ?2 AND f.user_id = ?1)))`, user, status, d.now().UnixMilli()).Scan(&yes)
	})
	return yes, wrap("look into home timeline", err)
}

// InList tells whether a list shows a post.
func (d *DB) InList(ctx context.Context, list, status int64) (yes bool, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT EXISTS (SELECT 1 FROM statuses x JOIN list_members m ON m.user_id = x.author_id AND m.list_id = ?1
			JOIN lists l ON l.id = ?1 WHERE x.id = ?2 AND x.visibility < 4 AND (`+listReply+`) AND x.author_id NOT IN
			(SELECT target_id FROM mutes WHERE user_id = l.owner_id AND (expires IS NULL OR expires > ?3)))`,
			list, status, d.now().UnixMilli()).Scan(&yes)
	})
	return yes, wrap("look into list", err)
}

// Muted tells whether user has muted author.
func (d *DB) Muted(ctx context.Context, user, author int64) (yes bool, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT EXISTS (SELECT 1 FROM mutes WHERE user_id = ? AND target_id = ? AND (expires IS NULL OR expires > ?))`,
			user, author, d.now().UnixMilli()).Scan(&yes)
	})
	return yes, wrap("look for mute", err)
}
