package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// A plan is what a person missed, as positions of 40 bytes.
type plan struct {
	s      *Store
	person int64
	steps  []step
}

type stepKind uint8

const (
	stepRow   stepKind = iota // of events
	stepShown                 // the conversation came into the list
	stepSet                   // one's settings changed
	stepMark
	stepHidden
	stepGone
)

type step struct {
	cursor int64
	kind   stepKind
	conv   store.ConvID
	ref    int64 // whose mark, which seq
}

// Len implements store.Plan.
func (p *plan) Len() int { return len(p.steps) }

// window is the part of the log that a plan is about.
type window struct {
	after, upTo int64
	limit       int
}

func (w window) has(cursor int64) bool { return w.after < cursor && cursor <= w.upTo }

// Plan implements store.Store. Conversations in which nothing happened cost one
// comparison; in the others the index is read from its end, as far as needed and
// no further.
func (s *Store) Plan(ctx context.Context, person, after, upTo int64, limit int) (store.Plan, error) {
	p, w := &plan{s: s, person: person}, window{after, upTo, limit}
	if upTo <= after {
		return p, nil // as for most who resume right after a restart
	}
	err := s.read(ctx, func(q sqldb.Queryer) error {
		convs, err := p.touched(q, w)
		if err != nil {
			return err
		}
		for _, c := range convs {
			if err := p.rows(q, c, w); err != nil {
				return err
			}
			if err := p.marks(q, c.id, w); err != nil {
				return err
			}
		}
		if err := p.state(q, stepHidden, `SELECT cursor, conv, seq FROM hidden WHERE person = ? AND cursor > ? AND cursor <= ? LIMIT ?`, w); err != nil {
			return err
		}
		return p.state(q, stepGone, `SELECT cursor, conv, seq FROM gone WHERE person = ? AND cursor > ? AND cursor <= ? LIMIT ?`, w)
	})
	if err != nil {
		return nil, err
	}
	if len(p.steps) > limit {
		return nil, store.ErrTooMany
	}
	slices.SortFunc(p.steps, func(a, b step) int { return cmp.Compare(a.cursor, b.cursor) })
	return p, nil
}

type touchedConv struct {
	id     store.ConvID
	group  bool
	ranges []span
}

// touched returns the person's conversations in which something happened, and
// plans the events that show one as it is now.
func (p *plan) touched(q sqldb.Queryer, w window) ([]touchedConv, error) {
	rows, err := q.Query(`SELECT c.id, c.kind = 'group', m.from_seq, coalesce(m.left_seq, c.last_seq), m.shown, m.set_cursor
		FROM members m JOIN conversations c ON c.id = m.conv
		WHERE m.person = ? AND m.shown > 0 AND c.touched > ?`, p.person, w.after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var convs []touchedConv
	for rows.Next() {
		var c touchedConv
		var r span
		var shown, set int64
		if err := rows.Scan(&c.id, &c.group, &r.from, &r.to, &shown, &set); err != nil {
			return nil, err
		}
		if w.has(shown) {
			p.steps = append(p.steps, step{cursor: shown, kind: stepShown, conv: c.id})
		}
		if w.has(set) && set > shown {
			p.steps = append(p.steps, step{cursor: set, kind: stepSet, conv: c.id})
		}
		c.ranges = []span{r}
		convs = append(convs, c)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for i := range convs {
		if c := &convs[i]; c.group {
			if c.ranges, err = visible(q, p.person, c.id); err != nil {
				return nil, err
			}
		}
	}
	return convs, nil
}

func (p *plan) rows(q sqldb.Queryer, c touchedConv, w window) error {
	for _, r := range slices.Backward(c.ranges) {
		older, err := p.span(q, c.id, r, w)
		if err != nil || older {
			return err
		}
	}
	return nil
}

// How many positions are read at a time: an engine may read a whole answer before
// the first row of it is looked at. Most have missed little.
const (
	minPlanPage = 8
	maxPlanPage = 512
)

// span plans the events of one range; older says that those before are too old.
func (p *plan) span(q sqldb.Queryer, conv store.ConvID, r span, w window) (older bool, err error) {
	for to, page := r.to, int64(minPlanPage); r.from <= to; to, page = to-page, min(4*page, maxPlanPage) { // seq is dense
		cursors, err := column[int64](q, `SELECT cursor FROM events WHERE conv = ? AND seq BETWEEN ? AND ? ORDER BY seq DESC`,
			conv, max(r.from, to-page+1), to)
		if err != nil {
			return false, err
		}
		for _, cursor := range cursors {
			if cursor <= w.after {
				return true, nil
			}
			if cursor <= w.upTo {
				p.steps = append(p.steps, step{cursor: cursor, conv: conv})
			}
			if len(p.steps) > w.limit {
				return false, store.ErrTooMany
			}
		}
	}
	return false, nil
}

// marks plans the marks that person may see, where they have changed.
func (p *plan) marks(q sqldb.Queryer, conv store.ConvID, w window) error {
	rows, err := q.Query(`SELECT person, cur FROM (
			SELECT m.person, CASE WHEN m.person = ?1 THEN m.mark_cursor ELSE m.shown_cursor END AS cur
			FROM members m JOIN conversations c ON c.id = m.conv
			WHERE m.conv = ?2 AND m.left_seq IS NULL AND (m.person = ?1 OR c.count <= ?3)) changed
		WHERE cur > ?4 AND cur <= ?5`, p.person, conv, store.MaxMarkAudience, w.after, w.upTo)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		st := step{kind: stepMark, conv: conv}
		if err := rows.Scan(&st.ref, &st.cursor); err != nil {
			return err
		}
		p.steps = append(p.steps, st)
	}
	return rows.Err()
}

func (p *plan) state(q sqldb.Queryer, kind stepKind, query string, w window) error {
	rows, err := q.Query(query, p.person, w.after, w.upTo, w.limit+1)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		st := step{kind: kind}
		if err := rows.Scan(&st.cursor, &st.conv, &st.ref); err != nil {
			return err
		}
		p.steps = append(p.steps, st)
	}
	return rows.Err()
}

// Load implements store.Plan.
func (p *plan) Load(ctx context.Context, limit int) ([]store.Event, error) {
	var events []store.Event
	var done int
	err := p.s.read(ctx, func(q sqldb.Queryer) error {
		size := 0
		for _, st := range p.steps {
			if done == limit || size > store.PageBytes/2 {
				break
			}
			e, err := st.load(q, p.person)
			done++
			if errors.Is(err, sqldb.ErrNoRows) || errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			size += sizeOf(&e, len(e.Attachments), 0)
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.steps = p.steps[done:]
	return events, nil
}

func (st step) load(q sqldb.Queryer, person int64) (e store.Event, err error) {
	switch e = (store.Event{Cursor: st.cursor, Conv: st.conv}); st.kind {
	case stepRow:
		e, err = oneEvent(q, `SELECT `+eventColumns+` FROM `+eventTables+` WHERE e.cursor = ?`, st.cursor)
		if err == nil {
			one := []store.Event{e}
			err = decorate(q, person, one)
			e = one[0]
		}
		if err == nil && e.Type == store.Change {
			if e.Summary, err = summary(q, person, st.conv); err == nil {
				e.Summary.Shared = true
			}
		}
	case stepShown, stepSet:
		e.Type = store.Conversation
		if e.Summary, err = summary(q, person, st.conv); err == nil {
			e.Seq = e.Summary.LastSeq
		}
	case stepMark:
		e.Type = store.Mark
		err = q.QueryRow(`SELECT p.id, p.username, CASE WHEN m.person = ?1 THEN m.recv ELSE m.recv_shown END,
				CASE WHEN m.person = ?1 THEN m.read ELSE m.read_shown END
			FROM members m JOIN people p ON p.id = m.person
			WHERE m.conv = ?2 AND m.person = ?3 AND CASE WHEN m.person = ?1 THEN m.mark_cursor ELSE m.shown_cursor END = ?4`,
			person, st.conv, st.ref, st.cursor).Scan(&e.From.ID, &e.From.Username, &e.Recv, &e.Read)
	case stepHidden:
		e.Type, e.Target = store.Hidden, st.ref
		err = q.QueryRow(`SELECT id, username FROM people WHERE id = ?`, person).Scan(&e.From.ID, &e.From.Username)
	case stepGone:
		e.Type, e.Seq = store.Gone, st.ref
	}
	return e, err
}
