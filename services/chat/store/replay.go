package store

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/porticod/portico/pkg/sqlite"
)

// ErrTooMany says that more was missed than a replay may hold.
var ErrTooMany = errors.New("too many events were missed")

// A Plan is what a person missed: positions, without what is there. It is small
// (24 bytes an event), so that a slow reader costs little while it catches up.
type Plan struct {
	person int64
	steps  []step
}

type step struct {
	cursor int64
	conv   ConvID // of a state event; 0: a row of events
	whose  int64  // of a mark; 0: the conversation itself
}

// Len is the number of events that are left.
func (p *Plan) Len() int { return len(p.steps) }

// Plan finds what happened for person above after, up to upTo. It returns
// ErrTooMany where that is more than limit.
//
// Conversations in which nothing happened cost one comparison; in the others
// the index is read from its end, as far as needed and no further.
func (s *Store) Plan(ctx context.Context, person, after, upTo int64, limit int) (*Plan, error) {
	plan := &Plan{person: person}
	err := s.read(ctx, func(q sqlite.Queryer) error {
		convs, err := touched(q, plan, after, upTo)
		if err != nil {
			return err
		}
		for _, c := range convs {
			if err := c.plan(q, plan, after, upTo, limit); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(plan.steps) > limit {
		return nil, ErrTooMany
	}
	slices.SortFunc(plan.steps, func(a, b step) int { return cmp.Compare(a.cursor, b.cursor) })
	return plan, nil
}

type touchedConv struct {
	id       ConvID
	from, to int64
}

// touched returns the person's conversations in which something happened, and
// plans the events that show a new one.
func touched(q sqlite.Queryer, plan *Plan, after, upTo int64) ([]touchedConv, error) {
	rows, err := q.Query(`SELECT c.id, m.from_seq, coalesce(m.left_seq, c.last_seq), m.shown
		FROM members m JOIN conversations c ON c.id = m.conv
		WHERE m.person = ? AND m.shown > 0 AND c.touched > ?`, plan.person, after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var convs []touchedConv
	for rows.Next() {
		var c touchedConv
		var shown int64
		if err := rows.Scan(&c.id, &c.from, &c.to, &shown); err != nil {
			return nil, err
		}
		if shown > after && shown <= upTo {
			plan.steps = append(plan.steps, step{cursor: shown, conv: c.id})
		}
		convs = append(convs, c)
	}
	return convs, rows.Err()
}

func (c touchedConv) plan(q sqlite.Queryer, plan *Plan, after, upTo int64, limit int) error {
	rows, err := q.Query(`SELECT cursor FROM events WHERE conv = ? AND seq BETWEEN ? AND ? ORDER BY seq DESC`, c.id, c.from, c.to)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var cursor int64
		if err := rows.Scan(&cursor); err != nil {
			return err
		}
		if cursor <= after {
			break
		}
		if cursor <= upTo {
			plan.steps = append(plan.steps, step{cursor: cursor})
		}
		if len(plan.steps) > limit {
			return ErrTooMany
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	return c.planMarks(q, plan, after, upTo)
}

func (c touchedConv) planMarks(q sqlite.Queryer, plan *Plan, after, upTo int64) error {
	rows, err := q.Query(`SELECT person, mark_cursor FROM members WHERE conv = ? AND mark_cursor > ? AND mark_cursor <= ?
		AND (person = ? OR (SELECT count(*) FROM members WHERE conv = ? AND left_seq IS NULL) <= ?)`,
		c.id, after, upTo, plan.person, c.id, maxMarkAudience)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		st := step{conv: c.id}
		if err := rows.Scan(&st.whose, &st.cursor); err != nil {
			return err
		}
		plan.steps = append(plan.steps, st)
	}
	return rows.Err()
}

// Load reads up to limit of the planned events, fewer where they are large, and
// takes them off the plan. State that changed since comes later, under its new
// position, and is left out here. Nothing is left when Len is 0.
func (s *Store) Load(ctx context.Context, plan *Plan, limit int) ([]Event, error) {
	var events []Event
	var done int
	err := s.read(ctx, func(q sqlite.Queryer) error {
		size := 0
		for _, st := range plan.steps {
			if done == limit || size > pageBytes/2 {
				break
			}
			e, err := st.load(q, plan.person)
			done++
			if errors.Is(err, sqlite.ErrNoRows) || errors.Is(err, ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			size += len(e.Text) + 256
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	plan.steps = plan.steps[done:]
	return events, nil
}

func (st step) load(q sqlite.Queryer, person int64) (Event, error) {
	if st.conv == 0 {
		rows, err := q.Query(`SELECT `+eventColumns+` FROM events e JOIN people p ON p.id = e.sender WHERE e.cursor = ?`, st.cursor)
		if err != nil {
			return Event{}, err
		}
		defer rows.Close()
		if !rows.Next() {
			return Event{}, errors.Join(rows.Err(), sqlite.ErrNoRows)
		}
		return scanEvent(rows)
	}
	e := Event{Cursor: st.cursor, Conv: st.conv}
	var err error
	if st.whose == 0 {
		e.Type = Conversation
		e.Summary, err = summary(q, person, st.conv)
		return e, err
	}
	e.Type = Mark
	err = q.QueryRow(`SELECT p.id, p.username, m.recv, m.read FROM members m JOIN people p ON p.id = m.person
		WHERE m.conv = ? AND m.person = ? AND m.mark_cursor = ?`, st.conv, st.whose, st.cursor).
		Scan(&e.From.ID, &e.From.Username, &e.Recv, &e.Read)
	return e, err
}
