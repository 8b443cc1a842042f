package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/sqlite"
)

// pageBytes ends a page of messages early; the next one goes on from there.
const pageBytes = 512 << 10

// maxSummaryMembers is how many members a Summary names.
const maxSummaryMembers = 64

// A Range says which messages History returns. At most one of the bounds is
// set; without one it is the newest.
type Range struct {
	Before, After, Around int64 // seq; 0: not set, except with the flags below
	HasBefore, HasAfter   bool
	HasAround             bool
	Limit                 int // 1 to 200
}

// History returns messages in the order of seq. more says that there are
// further ones in the direction that was asked for, for Around in either.
func (s *Store) History(ctx context.Context, person int64, conv ConvID, r Range) (msgs []Event, more bool, err error) {
	err = s.read(ctx, func(q sqlite.Queryer) error {
		from, to, err := visible(q, person, conv)
		if err != nil {
			return err
		}
		switch {
		case r.HasAfter:
			msgs, more, err = page(q, conv, max(from, r.After+1), to, r.Limit, false)
		case r.HasAround:
			msgs, more, err = around(q, conv, from, to, r)
		case r.HasBefore:
			msgs, more, err = page(q, conv, from, min(to, r.Before-1), r.Limit, true)
		default:
			msgs, more, err = page(q, conv, from, to, r.Limit, true)
		}
		return err
	})
	return msgs, more, err
}

// around takes half of the limit, and the message itself, from below, and what
// is left from above.
func around(q sqlite.Queryer, conv ConvID, from, to int64, r Range) ([]Event, bool, error) {
	below, moreBelow, err := page(q, conv, from, min(to, r.Around), max(1, (r.Limit+1)/2), true)
	if err != nil || len(below) == r.Limit {
		return below, moreBelow, err
	}
	above, moreAbove, err := page(q, conv, max(from, r.Around+1), to, r.Limit-len(below), false)
	return append(below, above...), moreBelow || moreAbove, err
}

// visible returns the range of seq that a person may see.
func visible(q sqlite.Queryer, person int64, conv ConvID) (from, to int64, err error) {
	err = q.QueryRow(`SELECT m.from_seq, coalesce(m.left_seq, c.last_seq) FROM members m JOIN conversations c ON c.id = m.conv
		WHERE m.conv = ? AND m.person = ?`, conv, person).Scan(&from, &to)
	if errors.Is(err, sqlite.ErrNoRows) {
		err = ErrNotFound
	}
	return from, to, err
}

const eventColumns = `e.cursor, e.type, e.conv, e.seq, coalesce(e.cid, ''), e.sender, p.username, e.at, coalesce(e.text, ''), coalesce(e.reply_to, 0)`

func scanEvent(rows *sqlite.Rows) (e Event, err error) {
	err = rows.Scan(&e.Cursor, &e.Type, &e.Conv, &e.Seq, &e.CID, &e.From.ID, &e.From.Username, &e.At, &e.Text, &e.ReplyTo)
	return e, err
}

// page returns messages of from..to ascending: the lowest, or, for newest, the
// highest of them.
func page(q sqlite.Queryer, conv ConvID, from, to int64, limit int, newest bool) (msgs []Event, more bool, err error) {
	query := `SELECT ` + eventColumns + ` FROM events e JOIN people p ON p.id = e.sender
		WHERE e.conv = ? AND e.seq BETWEEN ? AND ? AND e.type = 1 ORDER BY e.seq LIMIT ?`
	if newest {
		query = strings.Replace(query, "ORDER BY e.seq", "ORDER BY e.seq DESC", 1)
	}
	rows, err := q.Query(query, conv, from, to, limit+1)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	size := 0
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, false, err
		}
		if size += len(e.Text) + 256; len(msgs) == limit || size > pageBytes && len(msgs) > 0 {
			more = true
			break
		}
		msgs = append(msgs, e)
	}
	if newest {
		slices.Reverse(msgs)
	}
	return msgs, more, rows.Err()
}

// summary reads one conversation as person sees it.
func summary(q sqlite.Queryer, person int64, conv ConvID) (*Summary, error) {
	sum := Summary{ID: conv}
	var left int64
	err := q.QueryRow(`SELECT c.kind, c.title, c.last_cursor, m.role, m.from_seq, coalesce(m.left_seq, c.last_seq), m.left_seq IS NOT NULL,
			m.recv, m.read, coalesce(m.muted_until, 0), m.archived, m.pinned
		FROM members m JOIN conversations c ON c.id = m.conv WHERE m.conv = ? AND m.person = ?`, conv, person).
		Scan(&sum.Kind, &sum.Title, &sum.order, &sum.Role, &sum.FromSeq, &sum.LastSeq, &left,
			&sum.Recv, &sum.Read, &sum.MutedUntil, &sum.Archived, &sum.Pinned)
	if errors.Is(err, sqlite.ErrNoRows) {
		return nil, ErrNotFound
	} else if err != nil {
		return nil, err
	}
	err = q.QueryRow(`SELECT count(*) FROM events WHERE conv = ? AND seq > ? AND seq <= ? AND type = 1 AND sender <> ? AND deleted = 0`,
		conv, max(sum.Read, sum.FromSeq-1), sum.LastSeq, person).Scan(&sum.Unread)
	if err != nil {
		return nil, err
	}
	last, _, err := page(q, conv, sum.FromSeq, sum.LastSeq, 1, true)
	if err != nil {
		return nil, err
	}
	if len(last) > 0 {
		sum.Last = &last[0]
	}
	err = q.QueryRow(`SELECT count(*) FROM members WHERE conv = ? AND left_seq IS NULL`, conv).Scan(&sum.MembersCount)
	if err != nil {
		return nil, err
	}
	members, err := memberPage(q, conv, "", maxSummaryMembers)
	for _, m := range members {
		sum.Members = append(sum.Members, m.Person.Username)
	}
	return &sum, err
}

func memberPage(q sqlite.Queryer, conv ConvID, after string, limit int) ([]Member, error) {
	rows, err := q.Query(`SELECT p.id, p.username, m.role, m.recv, m.read FROM members m JOIN people p ON p.id = m.person
		WHERE m.conv = ? AND m.left_seq IS NULL AND p.username > ? ORDER BY p.username LIMIT ?`, conv, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ms []Member
	for rows.Next() {
		var m Member
		if err := rows.Scan(&m.Person.ID, &m.Person.Username, &m.Role, &m.Recv, &m.Read); err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, rows.Err()
}

// Conversation returns one conversation of a person.
func (s *Store) Conversation(ctx context.Context, person int64, conv ConvID) (sum *Summary, err error) {
	err = s.read(ctx, func(q sqlite.Queryer) error {
		sum, err = summary(q, person, conv)
		return err
	})
	return sum, err
}

// Members returns a conversation's members by username, from after on. more
// says that there are further ones.
func (s *Store) Members(ctx context.Context, person int64, conv ConvID, after string, limit int) (ms []Member, more bool, err error) {
	err = s.read(ctx, func(q sqlite.Queryer) error {
		if _, _, err := visible(q, person, conv); err != nil {
			return err
		}
		ms, err = memberPage(q, conv, after, limit+1)
		return err
	})
	if more = len(ms) > limit; more {
		ms = ms[:limit]
	}
	return ms, more, err
}

// Conversations lists what a person has, newest first. next continues it; it is
// empty at the end. ErrNotFound says that after is no such string.
func (s *Store) Conversations(ctx context.Context, person int64, after string, limit int) (sums []Summary, next string, err error) {
	below := int64(1) << 62
	if after != "" {
		if below, err = strconv.ParseInt(after, 36, 64); err != nil {
			return nil, "", ErrNotFound
		}
	}
	err = s.read(ctx, func(q sqlite.Queryer) error {
		ids, err := listed(q, person, below, limit)
		if err != nil {
			return err
		}
		for _, id := range ids {
			sum, err := summary(q, person, id)
			if err != nil {
				return err
			}
			sums = append(sums, *sum)
		}
		return nil
	})
	if len(sums) == limit {
		next = strconv.FormatInt(sums[limit-1].order, 36)
	}
	return sums, next, err
}

func listed(q sqlite.Queryer, person, below int64, limit int) ([]ConvID, error) {
	rows, err := q.Query(`SELECT c.id FROM members m JOIN conversations c ON c.id = m.conv
		WHERE m.person = ? AND m.shown > 0 AND c.last_cursor < ? ORDER BY c.last_cursor DESC LIMIT ?`, person, below, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []ConvID
	for rows.Next() {
		var id ConvID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
