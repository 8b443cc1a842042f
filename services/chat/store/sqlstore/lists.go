package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// Direct implements store.Lists.
func (s *Store) Direct(ctx context.Context, me, other store.Person) (sum *store.Summary, created bool, err error) {
	err = s.write(ctx, func(t *txn) error {
		conv, err := direct(t, me, other)
		if err != nil {
			return err
		}
		st, err := standingOf(t, conv, me.ID)
		if err != nil {
			return err
		}
		if created = st.shown == 0; created {
			if err := show(t, conv, me.ID); err != nil {
				return err
			}
		}
		sum, err = summary(t, me.ID, conv)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return sum, created, nil
}

// direct finds or makes the conversation and its members.
func direct(t *txn, me, other store.Person) (conv store.ConvID, err error) {
	key := fmt.Sprintf("%d:%d", min(me.ID, other.ID), max(me.ID, other.ID))
	err = t.QueryRow(`SELECT id FROM conversations WHERE direct = ?`, key).Scan(&conv)
	if !errors.Is(err, sqldb.ErrNoRows) {
		return conv, err
	}
	people := []store.Person{me, other}
	if me.ID == other.ID {
		people = people[:1]
	}
	cursor := t.next() // no two conversations have the same place in the list
	for _, p := range people {
		if err := addPerson(t, p); err != nil {
			return 0, err
		}
	}
	now := nowMillis()
	err = t.QueryRow(`INSERT INTO conversations (kind, direct, created_by, created_at, last_at, last_cursor, touched, count, roster)
		VALUES ('direct', ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, key, me.ID, now, now, cursor, cursor, len(people), cursor).Scan(&conv)
	if err != nil {
		return 0, err
	}
	for _, p := range people {
		if _, err := t.Exec(`INSERT INTO members (conv, person) VALUES (?, ?)`, conv, p.ID); err != nil {
			return 0, err
		}
	}
	return conv, nil
}

func addPerson(t *txn, p store.Person) error {
	_, err := t.Exec(`INSERT INTO people (id, username) VALUES (?, ?) ON CONFLICT DO NOTHING`, p.ID, p.Username)
	return err
}

// shared reads what all members see of a conversation.
func shared(q sqldb.Queryer, conv store.ConvID) (*store.Summary, error) {
	sum := store.Summary{ID: conv, Shared: true}
	err := q.QueryRow(`SELECT c.kind, c.title, coalesce(c.avatar, ''), c.count, c.last_seq, c.last_cursor, c.created_at, p.username
		FROM conversations c JOIN people p ON p.id = c.created_by WHERE c.id = ?`, conv).
		Scan(&sum.Kind, &sum.Title, &sum.Avatar, &sum.MembersCount, &sum.LastSeq, &sum.Order, &sum.CreatedAt, &sum.CreatedBy)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, store.ErrNotFound
	} else if err != nil {
		return nil, err
	}
	sum.Members, err = column[string](q, `SELECT p.username FROM (SELECT person FROM members WHERE conv = ? AND left_seq IS NULL ORDER BY person LIMIT ?) m
		JOIN people p ON p.id = m.person ORDER BY p.username`, conv, store.MaxSummaryMembers)
	return &sum, err
}

// summary reads one conversation as person sees it.
func summary(q sqldb.Queryer, person int64, conv store.ConvID) (*store.Summary, error) {
	st, err := standingOf(q, conv, person)
	if err != nil {
		return nil, err
	}
	sum, err := shared(q, conv)
	if err != nil {
		return nil, err
	}
	sum.Shared = false
	sum.Role, sum.FromSeq, sum.Recv, sum.Read, sum.MarkedUnread = st.role, st.from, st.recv, st.read, st.unread
	var leftTitle string
	err = q.QueryRow(`SELECT coalesce(muted_until, 0), archived, pinned, coalesce(left_title, '') FROM members WHERE conv = ? AND person = ?`, conv, person).
		Scan(&sum.MutedUntil, &sum.Archived, &sum.Pinned, &leftTitle)
	if err != nil {
		return nil, err
	}
	if st.left != 0 { // what changes later is not for who is gone
		sum.Role, sum.LastSeq, sum.Avatar, sum.Members, sum.MembersCount = "", st.left, "", []string{}, 0
		sum.Title = cmp.Or(leftTitle, sum.Title)
	}
	if sum.Unread, err = unread(q, person, sum); err != nil {
		return nil, err
	}
	last, _, err := page(q, person, conv, []span{{sum.FromSeq, sum.LastSeq}}, 1, true)
	if err != nil {
		return nil, err
	}
	if len(last) > 0 {
		sum.Last = &last[0]
	}
	return sum, nil
}

func unread(q sqldb.Queryer, person int64, sum *store.Summary) (n int64, err error) {
	from := max(sum.Read, sum.FromSeq-1)
	if from >= sum.LastSeq {
		return 0, nil
	}
	err = q.QueryRow(`SELECT
			(SELECT count(*) FROM events WHERE conv = ? AND seq > ? AND seq <= ? AND type = 1 AND sender <> ? AND deleted = 0) -
			(SELECT count(*) FROM hidden h JOIN events e ON e.conv = h.conv AND e.seq = h.seq
				WHERE h.person = ? AND h.conv = ? AND h.seq > ? AND h.seq <= ? AND e.sender <> ? AND e.deleted = 0)`,
		sum.ID, from, sum.LastSeq, person, person, sum.ID, from, sum.LastSeq, person).Scan(&n)
	return n, err
}

// Conversation implements store.Lists.
func (s *Store) Conversation(ctx context.Context, person int64, conv store.ConvID) (sum *store.Summary, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		sum, err = summary(q, person, conv)
		return err
	})
	return sum, err
}

// Conversations implements store.Lists.
func (s *Store) Conversations(ctx context.Context, person int64, after string, limit int) (sums []store.Summary, next string, err error) {
	below := int64(1) << 62
	if after != "" {
		if below, err = strconv.ParseInt(after, 36, 64); err != nil {
			return nil, "", store.ErrCursor
		}
	}
	err = s.read(ctx, func(q sqldb.Queryer) error {
		ids, err := column[store.ConvID](q, `SELECT c.id FROM members m JOIN conversations c ON c.id = m.conv
			WHERE m.person = ? AND m.shown > 0 AND c.last_cursor < ? ORDER BY c.last_cursor DESC LIMIT ?`, person, below, limit+1)
		if err != nil {
			return err
		}
		size := 0
		for i, id := range ids {
			if i == limit || size > store.PageBytes {
				next = strconv.FormatInt(sums[i-1].Order, 36)
				break
			}
			sum, err := summary(q, person, id)
			if err != nil {
				return err
			}
			if size += 512 + 16*len(sum.Members); sum.Last != nil {
				size += sizeOf(sum.Last, len(sum.Last.Attachments), 0)
			}
			sums = append(sums, *sum)
		}
		return nil
	})
	return sums, next, err
}

// Configure implements store.Lists.
func (s *Store) Configure(ctx context.Context, who store.Person, conv store.ConvID, set store.Settings) error {
	return s.write(ctx, func(t *txn) error {
		if _, err := standingOf(t, conv, who.ID); err != nil {
			return err
		}
		res, err := t.Exec(`UPDATE members SET
				muted_until = CASE WHEN CAST(?1 AS bigint) IS NULL THEN muted_until ELSE nullif(CAST(?1 AS bigint), 0) END,
				archived = coalesce(?2, archived), pinned = coalesce(?3, pinned), unread = coalesce(?4, unread)
			WHERE conv = ?5 AND person = ?6 AND (
				CAST(?1 AS bigint) IS NOT NULL AND nullif(CAST(?1 AS bigint), 0) IS DISTINCT FROM muted_until OR
				?2 <> archived OR ?3 <> pinned OR ?4 <> unread)`,
			pointed(set.MutedUntil), pointed(set.Archived), pointed(set.Pinned), pointed(set.Unread), conv, who.ID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return changedForOne(t, who.ID, conv)
	})
}

func pointed[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// changedForOne tells a member's own devices how the conversation looks now.
func changedForOne(t *txn, person int64, conv store.ConvID) error {
	cursor := t.next()
	if _, err := t.Exec(`UPDATE members SET set_cursor = ? WHERE conv = ? AND person = ?`, cursor, conv, person); err != nil {
		return err
	}
	if _, err := t.Exec(`UPDATE conversations SET touched = ? WHERE id = ?`, cursor, conv); err != nil {
		return err
	}
	sum, err := summary(t, person, conv)
	if err != nil {
		return err
	}
	t.add(store.Event{Cursor: cursor, Type: store.Conversation, Conv: conv, Seq: sum.LastSeq, Summary: sum, Audience: []int64{person}})
	return nil
}

// Clear implements store.Lists.
func (s *Store) Clear(ctx context.Context, who store.Person, conv store.ConvID) error {
	return s.write(ctx, func(t *txn) error {
		st, err := standingOf(t, conv, who.ID)
		switch {
		case err != nil:
			return err
		case st.kind == store.Group && st.left == 0:
			return leave(t, conv, who, who)
		case st.kind == store.Group:
			err := exec(t, []any{conv, who.ID},
				`DELETE FROM members WHERE conv = ? AND person = ?`,
				`DELETE FROM spans WHERE conv = ? AND person = ?`,
				`DELETE FROM hidden WHERE conv = ? AND person = ?`)
			if err != nil {
				return err
			}
			return gone(t, conv, who.ID, st.left)
		case st.shown == 0:
			return nil
		}
		_, err = t.Exec(`UPDATE members SET from_seq = ?, shown = 0, muted_until = NULL, archived = 0, pinned = 0, unread = 0
			WHERE conv = ? AND person = ?`, st.last+1, conv, who.ID)
		if err != nil {
			return err
		}
		if _, err := t.Exec(`DELETE FROM hidden WHERE conv = ? AND person = ?`, conv, who.ID); err != nil {
			return err
		}
		if err := t.reroster(conv, t.next()); err != nil {
			return err
		}
		// What both sides have cleared nobody can see any more.
		_, err = t.Exec(`INSERT INTO erasures (conv, below) SELECT conv, min(from_seq) FROM members WHERE conv = ? GROUP BY conv HAVING min(from_seq) > 1`, conv)
		if err != nil {
			return err
		}
		return gone(t, conv, who.ID, st.last)
	})
}

// gone tells a person's devices that a conversation is off the list.
func gone(t *txn, conv store.ConvID, person, seq int64) error {
	cursor := t.next()
	_, err := t.Exec(`INSERT INTO gone (person, conv, cursor, seq) VALUES (?, ?, ?, ?)
		ON CONFLICT (person, conv) DO UPDATE SET cursor = excluded.cursor, seq = excluded.seq`, person, conv, cursor, seq)
	t.add(store.Event{Cursor: cursor, Type: store.Gone, Conv: conv, Seq: seq, Audience: []int64{person}})
	return err
}

// Peers implements store.Lists.
func (s *Store) Peers(ctx context.Context, person int64, limit int) (ids []int64, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		ids, err = column[int64](q, `SELECT b.person FROM members a JOIN conversations c ON c.id = a.conv AND c.kind = 'direct'
			JOIN members b ON b.conv = a.conv AND b.person <> a.person AND b.shown > 0
			WHERE a.person = ? AND a.shown > 0 ORDER BY c.last_cursor DESC LIMIT ?`, person, limit)
		return err
	})
	return ids, err
}

// Shared implements store.Lists.
func (s *Store) Shared(ctx context.Context, person int64, others []int64) (ids []int64, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		for _, other := range others {
			ok, err := exists(q, `SELECT 1 FROM members a JOIN members b ON b.conv = a.conv AND b.person = ?
				WHERE a.person = ? AND a.left_seq IS NULL AND b.left_seq IS NULL AND a.shown > 0 AND b.shown > 0 LIMIT 1`, other, person)
			if err != nil {
				return err
			}
			if ok {
				ids = append(ids, other)
			}
		}
		return nil
	})
	return ids, err
}

// Companions implements store.Lists.
func (s *Store) Companions(ctx context.Context, person int64, conv store.ConvID, max int) (kind string, ids []int64, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		st, err := member(q, conv, person)
		if err != nil {
			return err
		}
		kind = st.kind
		ids, err = column[int64](q, `SELECT person FROM members WHERE conv = ? AND left_seq IS NULL AND shown > 0 AND person <> ? LIMIT ?`, conv, person, max+1)
		return err
	})
	return kind, ids, err
}

// A span is a range of seq, both ends included.
type span struct{ from, to int64 }

func inside(ranges []span, seq int64) bool {
	return slices.ContainsFunc(ranges, func(r span) bool { return r.from <= seq && seq <= r.to })
}

// visible returns what a person may see of a conversation, ascending.
func visible(q sqldb.Queryer, person int64, conv store.ConvID) ([]span, error) {
	st, err := standingOf(q, conv, person)
	if err != nil {
		return nil, err
	}
	var ranges []span
	if st.kind == store.Group {
		rows, err := q.Query(`SELECT from_seq, to_seq FROM spans WHERE conv = ? AND person = ? ORDER BY from_seq`, conv, person)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var r span
			if err := rows.Scan(&r.from, &r.to); err != nil {
				return nil, err
			}
			ranges = append(ranges, r)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	to := st.last
	if st.left != 0 {
		to = st.left
	}
	return append(ranges, span{st.from, to}), nil
}
