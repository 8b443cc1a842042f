package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/services/chat/store"
)

// History implements store.Messages.
func (s *Store) History(ctx context.Context, person int64, conv store.ConvID, r store.Range) (msgs []store.Event, more bool, err error) {
	err = s.read(ctx, func(q sqlite.Queryer) error {
		ranges, err := visible(q, person, conv)
		if err != nil {
			return err
		}
		switch {
		case r.HasAfter:
			msgs, more, err = page(q, person, conv, cut(ranges, r.After+1, 1<<62), r.Limit, false)
		case r.HasAround:
			msgs, more, err = around(q, person, conv, ranges, r)
		case r.HasBefore:
			msgs, more, err = page(q, person, conv, cut(ranges, 0, r.Before-1), r.Limit, true)
		default:
			msgs, more, err = page(q, person, conv, ranges, r.Limit, true)
		}
		return err
	})
	return msgs, more, err
}

// cut leaves of ranges what is between from and to.
func cut(ranges []span, from, to int64) []span {
	var left []span
	for _, r := range ranges {
		if r = (span{max(r.from, from), min(r.to, to)}); r.from <= r.to {
			left = append(left, r)
		}
	}
	return left
}

// around takes half of the limit, and the message itself, from below, and what
// is left from above.
func around(q sqlite.Queryer, person int64, conv store.ConvID, ranges []span, r store.Range) ([]store.Event, bool, error) {
	below, moreBelow, err := page(q, person, conv, cut(ranges, 0, r.Around), max(1, (r.Limit+1)/2), true)
	if err != nil || len(below) == r.Limit {
		return below, moreBelow, err
	}
	above, moreAbove, err := page(q, person, conv, cut(ranges, r.Around+1, 1<<62), r.Limit-len(below), false)
	return append(below, above...), moreBelow || moreAbove, err
}

// page returns messages of ranges ascending: the lowest, or, for newest, the
// highest of them.
func page(q sqlite.Queryer, person int64, conv store.ConvID, ranges []span, limit int, newest bool) (msgs []store.Event, more bool, err error) {
	ranges = slices.Clone(ranges)
	if newest {
		slices.Reverse(ranges)
	}
	p := pager{q: q, person: person, conv: conv, limit: limit}
	for _, r := range ranges {
		if err := p.read(r, newest); err != nil {
			return nil, false, err
		}
		if p.more {
			break
		}
	}
	if newest {
		slices.Reverse(p.msgs)
	}
	if err := decorate(q, person, p.msgs); err != nil {
		return nil, false, err
	}
	return p.msgs, p.more, nil
}

type pager struct {
	q      sqlite.Queryer
	person int64
	conv   store.ConvID
	limit  int
	size   int // bytes so far, roughly
	msgs   []store.Event
	more   bool
}

func (p *pager) read(r span, newest bool) error {
	query := `SELECT ` + eventColumns + ` FROM ` + eventTables + `
		WHERE e.conv = ? AND e.seq BETWEEN ? AND ? AND e.type = 1
		AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.person = ? AND h.conv = e.conv AND h.seq = e.seq)
		ORDER BY e.seq LIMIT ?`
	if newest {
		query = strings.Replace(query, "ORDER BY e.seq", "ORDER BY e.seq DESC", 1)
	}
	rows, err := p.q.Query(query, p.conv, r.from, r.to, p.person, p.limit-len(p.msgs)+1)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return err
		}
		if p.size += len(e.Text) + 256; len(p.msgs) == p.limit || p.size > store.PageBytes && len(p.msgs) > 0 {
			p.more = true
			break
		}
		p.msgs = append(p.msgs, e)
	}
	return errors.Join(rows.Err(), rows.Close())
}

// Search implements store.Messages. Words are found by their beginnings; what
// was not indexed yet is first.
func (s *Store) Search(ctx context.Context, person int64, text string, conv store.ConvID, limit int) (found []store.Event, err error) {
	match := matchAll(text)
	if match == "" {
		return nil, nil
	}
	for more := true; more; {
		if more, err = s.Index(ctx); err != nil {
			return nil, err
		}
	}
	err = s.read(ctx, func(q sqlite.Queryer) error {
		if conv != 0 {
			if _, err := standingOf(q, conv, person); err != nil {
				return err
			}
		}
		rows, err := q.Query(`SELECT `+eventColumns+` FROM search s JOIN `+eventTables+`
			JOIN members m ON m.conv = e.conv AND m.person = ?1
			WHERE search MATCH ?2 AND e.cursor = s.rowid AND e.type = 1 AND e.deleted = 0 AND (?3 = 0 OR e.conv = ?3)
			AND (e.seq BETWEEN m.from_seq AND coalesce(m.left_seq, e.seq)
				OR EXISTS (SELECT 1 FROM spans x WHERE x.conv = e.conv AND x.person = ?1 AND e.seq BETWEEN x.from_seq AND x.to_seq))
			AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.person = ?1 AND h.conv = e.conv AND h.seq = e.seq)
			ORDER BY s.rowid DESC LIMIT ?4`, person, match, conv, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			e, err := scanEvent(rows)
			if err != nil {
				return err
			}
			found = append(found, e)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		for i := range found { // of several conversations
			if err := decorate(q, person, found[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}
