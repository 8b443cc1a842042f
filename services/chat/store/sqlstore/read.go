package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// History implements store.Messages.
func (s *Store) History(ctx context.Context, person int64, conv store.ConvID, r store.Range) (p store.Page, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		ranges, err := visible(q, person, conv)
		if err != nil {
			return err
		}
		switch {
		case r.HasAfter:
			p, err = stretch(q, person, conv, cut(ranges, r.After+1, 1<<62), r.Limit, false)
		case r.HasAround:
			p, err = around(q, person, conv, ranges, r)
		case r.HasBefore:
			p, err = stretch(q, person, conv, cut(ranges, 0, r.Before-1), r.Limit, true)
		default:
			p, err = stretch(q, person, conv, ranges, r.Limit, true)
		}
		return err
	})
	return p, err
}

// stretch is page with what happened beside its messages: from the bound, where
// the page begins, to its last message, or to the end where that is on it.
func stretch(q sqldb.Queryer, person int64, conv store.ConvID, ranges []span, limit int, newest bool) (p store.Page, err error) {
	if p.Messages, p.More, err = page(q, person, conv, ranges, limit, newest); err != nil {
		return store.Page{}, err
	}
	switch {
	case p.More && newest:
		ranges = cut(ranges, p.Messages[0].Seq, 1<<62)
	case p.More:
		ranges = cut(ranges, 0, p.Messages[len(p.Messages)-1].Seq)
	}
	p.Events, err = told(q, conv, ranges, newest)
	return p, err
}

// told returns memberships and changes of ranges ascending, the lowest or the
// highest of them.
func told(q sqldb.Queryer, conv store.ConvID, ranges []span, newest bool) (events []store.Event, err error) {
	order := ""
	if ranges = slices.Clone(ranges); newest {
		slices.Reverse(ranges)
		order = " DESC"
	}
	for _, r := range ranges {
		rows, err := q.Query(`SELECT `+eventColumns+` FROM `+eventTables+` WHERE e.conv = ? AND e.seq BETWEEN ? AND ? AND e.type IN (5, 6)
			ORDER BY e.seq`+order+` LIMIT ?`, conv, r.from, r.to, store.MaxPageEvents-len(events))
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			e, err := scanEvent(rows)
			if err != nil {
				return nil, err
			}
			events = append(events, e)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	if newest {
		slices.Reverse(events)
	}
	return events, nil
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
func around(q sqldb.Queryer, person int64, conv store.ConvID, ranges []span, r store.Range) (store.Page, error) {
	below, err := stretch(q, person, conv, cut(ranges, 0, r.Around), max(1, (r.Limit+1)/2), true)
	if err != nil {
		return store.Page{}, err
	}
	if len(below.Messages) == r.Limit {
		_, more, err := page(q, person, conv, cut(ranges, r.Around+1, 1<<62), 0, false)
		below.More = below.More || more
		return below, err
	}
	above, err := stretch(q, person, conv, cut(ranges, r.Around+1, 1<<62), r.Limit-len(below.Messages), false)
	return store.Page{
		Messages: append(below.Messages, above.Messages...), Events: append(below.Events, above.Events...), More: below.More || above.More,
	}, err
}

// page returns messages of ranges ascending: the lowest, or, for newest, the
// highest of them.
func page(q sqldb.Queryer, person int64, conv store.ConvID, ranges []span, limit int, newest bool) (msgs []store.Event, more bool, err error) {
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

// sizeOf is roughly what a message takes on the wire.
func sizeOf(e *store.Event, attachments, reactions int) int {
	return len(e.Text) + 256 + 512*attachments + 32*reactions
}

type pager struct {
	q      sqldb.Queryer
	person int64
	conv   store.ConvID
	limit  int
	size   int // bytes so far, roughly
	msgs   []store.Event
	more   bool
}

func (p *pager) read(r span, newest bool) error {
	query := `SELECT ` + eventColumns + `, (SELECT count(*) FROM attachments a WHERE a.conv = e.conv AND a.seq = e.seq),
			(SELECT count(*) FROM reactions r WHERE r.conv = e.conv AND r.seq = e.seq)
		FROM ` + eventTables + ` WHERE e.conv = ? AND e.seq BETWEEN ? AND ? AND e.type = 1
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
		var held, reactions int
		e, err := scanEvent(rows, &held, &reactions)
		if err != nil {
			return err
		}
		p.size += sizeOf(&e, held, reactions)
		if len(p.msgs) == p.limit || p.size > store.PageBytes && len(p.msgs) > 0 {
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
	words := wordsOf(text)
	if len(words) == 0 {
		return nil, nil
	}
	words = words[:min(len(words), maxWords)]
	for more := true; more; {
		if more, err = s.Index(ctx); err != nil {
			return nil, err
		}
	}
	err = s.read(ctx, func(q sqldb.Queryer) error {
		if conv != 0 {
			if _, err := standingOf(q, conv, person); err != nil {
				return err
			}
		}
		query, match, err := matching(q, slices.Clone(words), person, conv)
		if err != nil {
			return err
		}
		rows, err := q.Query(query, person, match, conv, limit)
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
