package sqlstore

import (
	"context"
	"errors"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// getMessage returns a message that a person may see, not hidden, without what
// decorate adds.
func getMessage(q sqldb.Queryer, person int64, conv store.ConvID, seq int64) (store.Event, error) {
	ranges, err := visible(q, person, conv)
	if err != nil {
		return store.Event{}, err
	}
	if !inside(ranges, seq) {
		return store.Event{}, store.ErrMessage
	}
	e, err := oneEvent(q, `SELECT `+eventColumns+` FROM `+eventTables+` WHERE e.conv = ? AND e.seq = ? AND e.type = 1
		AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.person = ? AND h.conv = e.conv AND h.seq = e.seq)`, conv, seq, person)
	if errors.Is(err, sqldb.ErrNoRows) {
		err = store.ErrMessage
	}
	return e, err
}

// Get implements store.Messages.
func (s *Store) Get(ctx context.Context, person int64, conv store.ConvID, seq int64) (*store.Event, error) {
	var msgs []store.Event
	err := s.read(ctx, func(q sqldb.Queryer) error {
		e, err := getMessage(q, person, conv, seq)
		if err != nil {
			return err
		}
		msgs = []store.Event{e}
		return decorate(q, person, msgs)
	})
	if err != nil {
		return nil, err
	}
	return &msgs[0], nil
}

// changing looks up what a member wants to change.
func changing(t *txn, who store.Person, conv store.ConvID, seq int64, blocked store.Blocker) (e store.Event, st standing, ro roster, err error) {
	if st, err = member(t, conv, who.ID); err != nil {
		return e, st, ro, err
	}
	if e, err = getMessage(t, who.ID, conv, seq); err != nil {
		return e, st, ro, err
	}
	if ro, err = t.roster(conv, st.version); err == nil && facing(st, ro, who.ID, blocked) {
		err = store.ErrBlocked
	}
	return e, st, ro, err
}

// before is the event that said something first.
func before(t *txn, conv store.ConvID, seq int64, typ store.EventType, who int64) (did store.Did, err error) {
	err = t.QueryRow(`SELECT seq, at FROM events WHERE conv = ?1 AND target = ?2 AND type = ?3 AND (sender = ?4 OR ?4 = 0) ORDER BY seq DESC LIMIT 1`,
		conv, seq, typ, who).Scan(&did.Seq, &did.At)
	if errors.Is(err, sqldb.ErrNoRows) { // it was so from the start
		err = t.QueryRow(`SELECT seq, at FROM events WHERE conv = ? AND seq = ?`, conv, seq).Scan(&did.Seq, &did.At)
	}
	return did, err
}

// Edit implements store.Messages.
func (s *Store) Edit(ctx context.Context, who store.Person, conv store.ConvID, seq int64, text string, blocked store.Blocker) (did store.Did, err error) {
	err = s.write(ctx, func(t *txn) error {
		m, _, ro, err := changing(t, who, conv, seq, blocked)
		switch {
		case err != nil:
			return err
		case m.Deleted:
			return store.ErrMessage
		case m.From.ID != who.ID:
			return store.ErrForbidden
		case m.Text == text:
			did, err = before(t, conv, seq, store.Edit, 0)
			return err
		}
		if text == "" {
			held, err := exists(t, `SELECT 1 FROM attachments WHERE conv = ? AND seq = ? LIMIT 1`, conv, seq)
			if err != nil || !held {
				return errors.Join(err, store.ErrEmpty)
			}
		}
		if err := unindex(t, &m); err != nil {
			return err
		}
		e := store.Event{Type: store.Edit, Conv: conv, From: who, Target: seq, Text: text, Audience: ro.ids}
		if err := t.event(&e); err != nil {
			return err
		}
		e.EditedAt = e.At
		if _, err := t.Exec(`UPDATE events SET text = ?, edited_at = ? WHERE cursor = ?`, text, e.At, m.Cursor); err != nil {
			return err
		}
		if err := reindex(t, said{m.Cursor, conv, text}); err != nil {
			return err
		}
		t.add(e)
		did = store.Did{Seq: e.Seq, At: e.At}
		return nil
	})
	return did, err
}

// Delete implements store.Messages.
func (s *Store) Delete(ctx context.Context, who store.Person, conv store.ConvID, seq int64) (did store.Did, err error) {
	err = s.write(ctx, func(t *txn) error {
		m, st, ro, err := changing(t, who, conv, seq, nil)
		switch {
		case err != nil:
			return err
		case m.From.ID != who.ID && (st.kind != store.Group || st.role == store.Member):
			return store.ErrForbidden
		case m.Deleted:
			did, err = before(t, conv, seq, store.Delete, 0)
			return err
		}
		if err := eraseMessage(t, &m); err != nil {
			return err
		}
		e := store.Event{Type: store.Delete, Conv: conv, From: who, Target: seq, Audience: ro.ids}
		if err := t.event(&e); err != nil {
			return err
		}
		t.add(e)
		did = store.Did{Seq: e.Seq, At: e.At}
		return nil
	})
	return did, err
}

// eraseMessage leaves of a message what keeps seq dense and its cid taken.
func eraseMessage(t *txn, m *store.Event) error {
	if err := unindex(t, m); err != nil {
		return err
	}
	held, err := column[string](t, `SELECT blob FROM attachments WHERE conv = ? AND seq = ?`, m.Conv, m.Seq)
	if err != nil {
		return err
	}
	err = exec(t, []any{m.Conv, m.Seq},
		`UPDATE events SET text = NULL, reply_to = NULL, edited_at = NULL, deleted = 1 WHERE conv = ? AND seq = ?`,
		`DELETE FROM reactions WHERE conv = ? AND seq = ?`,
		`DELETE FROM attachments WHERE conv = ? AND seq = ?`)
	if err != nil {
		return err
	}
	for _, id := range held {
		if err := release(t, id); err != nil {
			return err
		}
	}
	return nil
}

// Hide implements store.Messages.
func (s *Store) Hide(ctx context.Context, who store.Person, conv store.ConvID, seq int64) error {
	return s.write(ctx, func(t *txn) error {
		switch _, err := getMessage(t, who.ID, conv, seq); {
		case errors.Is(err, store.ErrMessage):
			was, herr := exists(t, `SELECT 1 FROM hidden WHERE person = ? AND conv = ? AND seq = ?`, who.ID, conv, seq)
			if was {
				return herr
			}
			return errors.Join(err, herr)
		case err != nil:
			return err
		}
		cursor := t.next()
		if _, err := t.Exec(`INSERT INTO hidden (person, conv, seq, cursor) VALUES (?, ?, ?, ?)`, who.ID, conv, seq, cursor); err != nil {
			return err
		}
		t.add(store.Event{Cursor: cursor, Type: store.Hidden, Conv: conv, From: who, Target: seq, At: nowMillis(), Audience: []int64{who.ID}})
		return nil
	})
}

// React implements store.Messages.
func (s *Store) React(ctx context.Context, who store.Person, conv store.ConvID, seq int64, emoji string, on bool, blocked store.Blocker) (did store.Did, err error) {
	err = s.write(ctx, func(t *txn) error {
		m, _, ro, err := changing(t, who, conv, seq, blocked)
		switch {
		case err != nil:
			return err
		case m.Deleted:
			return store.ErrMessage
		}
		var old string
		err = t.QueryRow(`SELECT emoji FROM reactions WHERE conv = ? AND seq = ? AND person = ?`, conv, seq, who.ID).Scan(&old)
		if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
			return err
		}
		if (old == emoji) == on {
			did, err = before(t, conv, seq, store.Reaction, who.ID)
			return err
		}
		say := func(emoji string, on bool) error {
			e := store.Event{Type: store.Reaction, Conv: conv, From: who, Target: seq, Emoji: emoji, On: on, Audience: ro.ids}
			if err := t.event(&e); err != nil {
				return err
			}
			t.add(e)
			did = store.Did{Seq: e.Seq, At: e.At}
			return nil
		}
		if old != "" {
			if _, err := t.Exec(`DELETE FROM reactions WHERE conv = ? AND seq = ? AND person = ?`, conv, seq, who.ID); err != nil {
				return err
			}
			if err := say(old, false); err != nil || !on {
				return err
			}
		}
		if _, err := t.Exec(`INSERT INTO reactions (conv, seq, person, emoji) VALUES (?, ?, ?, ?)`, conv, seq, who.ID, emoji); err != nil {
			return err
		}
		return say(emoji, true)
	})
	return did, err
}
