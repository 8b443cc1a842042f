package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// Where several nodes have the same rows, what those who listen are told of is
// written with the rows that it is about: whoever reads the table misses nothing, and
// needs nobody to tell him.

const (
	// rowEvents are the most events in a row.
	rowEvents = 500
	// forgetEvery is how far ids have to go on before old events are looked for.
	forgetEvery = store.EventLife / 4
)

// OnEvents has fn called with what happened.
func (d *DB) OnEvents(fn func([]store.Event)) { d.db.onEvents = fn }

// happened has who listens told of events, in their order, once the request is
// stored.
func (t *tx) happened(list ...store.Event) { t.events = append(t.events, list...) }

// tell is called at the end of a request.
func (t *tx) tell() error {
	list, fn := t.events, t.db.onEvents
	if len(list) == 0 {
		return nil
	}
	if t.Dialect() == sqldb.Postgres {
		if err := t.keep(list); err != nil {
			return err
		}
		list = nil
	}
	if fn != nil {
		t.AfterCommit(func() { fn(list) })
	}
	return nil
}

// keep writes events down, and forgets old ones from time to time.
func (t *tx) keep(list []store.Event) error {
	for some := range slices.Chunk(list, rowEvents) {
		data, err := encodeEvents(some)
		if err != nil {
			return err
		}
		if _, err := t.Exec(`INSERT INTO events (id, data) VALUES (?, ?)`, t.nextID(), data); err != nil {
			return err
		}
	}
	d := t.db
	if d.lastID-d.forgot < forgetEvery.Milliseconds()<<16 {
		return nil
	}
	d.forgot = d.lastID
	return forgetEvents(t, d.lastID-store.EventLife.Milliseconds()<<16)
}

// forgetEvents forgets those before an id, but the last of them: where a reader finds
// the row that it read last, nothing that came after is gone.
func forgetEvents(t *tx, before int64) error {
	_, err := t.Exec(`DELETE FROM events WHERE id < (SELECT max(id) FROM events WHERE id < ?)`, before)
	return err
}

// LastEvent is the position of the last event. There is always one.
func (d *DB) LastEvent(ctx context.Context) (at int64, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow(`SELECT max(id) FROM events`).Scan(&at)
	})
	return at, wrap("find out what happened last", err)
}

// EventsAfter returns what happened after a position.
func (d *DB) EventsAfter(ctx context.Context, after int64, limit int) (list []store.Event, last int64, more bool, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		rows, err := collect(q, scanEvents, `SELECT id, data FROM events WHERE id >= ? ORDER BY id LIMIT ?`, after, limit+1)
		switch {
		case err != nil:
			return err
		case len(rows) == 0 || rows[0].id != after:
			return store.ErrGap
		}
		for _, row := range rows[1:] {
			list = append(list, decodeEvents(row.id, row.data)...)
		}
		last, more = rows[len(rows)-1].id, len(rows) > limit
		return nil
	})
	return list, last, more, wrap("read what happened", err)
}

type eventRow struct {
	id   int64
	data []byte
}

func scanEvents(r sqldb.Rows) (e eventRow, err error) {
	err = r.Scan(&e.id, &e.data)
	return e, err
}

// A keptEvent is an event in a row: what it takes to find out who wants it.
type keptEvent struct {
	Kind   store.EventKind `json:"kind"`
	Post   *keptPost       `json:"post,omitempty"`
	Notice *store.Notice   `json:"notice,omitempty"`
	User   int64           `json:"user,omitempty"`
}

type keptPost struct {
	ID         int64            `json:"id"`
	Author     int64            `json:"author"`
	Visibility store.Visibility `json:"visibility"`
	Reply      bool             `json:"reply,omitempty"`
	Pictures   bool             `json:"pictures,omitempty"`
	Mentions   []int64          `json:"mentions,omitempty"`
	Tags       []string         `json:"tags,omitempty"`
}

func encodeEvents(list []store.Event) ([]byte, error) {
	kept := make([]keptEvent, len(list))
	for i, ev := range list {
		kept[i] = keptEvent{Kind: ev.Kind, User: ev.User}
		switch s := ev.Status; ev.Kind {
		case store.StatusAdded, store.StatusEdited, store.StatusDeleted:
			kept[i].Post = &keptPost{s.ID, s.Author, s.Visibility, s.Reply, len(s.Media) > 0, s.Mentions, s.Tags}
		case store.Noticed:
			kept[i].Notice = &ev.Notice
		}
	}
	data, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("write down what happened: %w", err)
	}
	return data, nil
}

// decodeEvents reads what encodeEvents wrote. Of other versions of the program may
// come what this one does not know; that is left out.
func decodeEvents(at int64, data []byte) (list []store.Event) {
	var kept []keptEvent
	if json.Unmarshal(data, &kept) != nil {
		return nil
	}
	for _, k := range kept {
		ev := store.Event{Kind: k.Kind, At: at, User: k.User}
		switch {
		case k.Kind == store.FiltersChanged:
		case k.Kind == store.Noticed && k.Notice != nil:
			ev.Notice = *k.Notice
		case k.Kind >= store.StatusAdded && k.Kind <= store.StatusDeleted && k.Post != nil:
			s := k.Post
			ev.Status = store.Status{ID: s.ID, Author: s.Author, Visibility: s.Visibility, Reply: s.Reply, Mentions: s.Mentions, Tags: s.Tags}
			if s.Pictures {
				ev.Status.Media = make([]store.Media, 1)
			}
		default:
			continue
		}
		list = append(list, ev)
	}
	return list
}
