package sqlstore

import (
	"errors"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// event appends a row of the log that counts, but no message, and fills in its
// position, seq and time. The caller adds it, in the order of positions.
func (t *txn) event(e *store.Event) error {
	e.Cursor = t.next()
	err := t.QueryRow(`UPDATE conversations SET last_seq = last_seq + 1, last_at = CASE WHEN last_at > ?1 THEN last_at ELSE ?1 END, touched = ?2
		WHERE id = ?3 RETURNING last_seq, last_at`, nowMillis(), e.Cursor, e.Conv).Scan(&e.Seq, &e.At)
	if err != nil {
		return err
	}
	detail, text := e.Emoji, ""
	switch e.Type {
	case store.Membership:
		detail = e.Action
	case store.Change:
		detail, text = e.Action, e.Text
	}
	_, err = t.Exec(`INSERT INTO events (cursor, conv, seq, type, sender, at, text, target, subject, detail, role, is_on)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, e.Cursor, e.Conv, e.Seq, e.Type, e.From.ID, e.At, nullText(text),
		nullable(e.Target), nullable(e.User.ID), nullText(detail), nullText(e.Role), e.On)
	return err
}

const eventColumns = `e.cursor, e.type, e.conv, e.seq, coalesce(e.cid, ''), e.sender, p.username, e.at, coalesce(e.text, ''), coalesce(e.reply_to, 0),
	coalesce(e.target, 0), coalesce(e.edited_at, 0), e.deleted, coalesce(e.subject, 0), coalesce(u.username, ''), coalesce(e.detail, ''),
	coalesce(e.role, ''), coalesce(e.is_on, 0)`

const eventTables = `events e JOIN people p ON p.id = e.sender LEFT JOIN people u ON u.id = e.subject`

// scanEvent scans eventColumns and what follows them.
func scanEvent(rows sqldb.Rows, more ...any) (e store.Event, err error) {
	var detail string
	err = rows.Scan(append([]any{
		&e.Cursor, &e.Type, &e.Conv, &e.Seq, &e.CID, &e.From.ID, &e.From.Username, &e.At, &e.Text, &e.ReplyTo,
		&e.Target, &e.EditedAt, &e.Deleted, &e.User.ID, &e.User.Username, &detail, &e.Role, &e.On,
	}, more...)...)
	switch e.Type {
	case store.Reaction:
		e.Emoji = detail
	case store.Membership, store.Change:
		e.Action = detail
	}
	return e, err
}

// oneEvent reads the event of a query for eventColumns.
func oneEvent(q sqldb.Queryer, query string, args ...any) (store.Event, error) {
	rows, err := q.Query(query, args...)
	if err != nil {
		return store.Event{}, err
	}
	defer rows.Close()
	if !rows.Next() {
		return store.Event{}, errors.Join(rows.Err(), sqldb.ErrNoRows)
	}
	e, err := scanEvent(rows)
	return e, errors.Join(err, rows.Close())
}

// decorate adds what messages of one conversation hold besides text, and what
// an edit says now.
func decorate(q sqldb.Queryer, person int64, events []store.Event) error {
	at := map[int64]*store.Event{}
	low, high := int64(1)<<62, int64(0)
	for i := range events {
		e := &events[i]
		switch {
		case e.Type == store.Edit:
			if err := presentText(q, e); err != nil {
				return err
			}
		case e.Type == store.Message && !e.Deleted:
			at[e.Seq] = e
			low, high = min(low, e.Seq), max(high, e.Seq)
		}
	}
	if len(at) == 0 {
		return nil
	}
	conv := events[0].Conv
	if err := addAttachments(q, conv, low, high, at); err != nil {
		return err
	}
	return addReactions(q, person, conv, low, high, at)
}

// presentText is what an edited message says by now.
func presentText(q sqldb.Queryer, e *store.Event) error {
	return q.QueryRow(`SELECT coalesce(text, ''), coalesce(edited_at, 0), deleted FROM events WHERE conv = ? AND seq = ?`, e.Conv, e.Target).
		Scan(&e.Text, &e.EditedAt, &e.Deleted)
}

const blobColumns = `b.id, b.hash, b.name, b.type, b.size, b.width, b.height`

func addAttachments(q sqldb.Queryer, conv store.ConvID, low, high int64, at map[int64]*store.Event) error {
	rows, err := q.Query(`SELECT a.seq, `+blobColumns+` FROM attachments a JOIN blobs b ON b.id = a.blob
		WHERE a.conv = ? AND a.seq BETWEEN ? AND ? ORDER BY a.seq, a.n`, conv, low, high)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var b store.Blob
		if err := rows.Scan(&seq, &b.ID, &b.Hash, &b.Name, &b.Type, &b.Size, &b.Width, &b.Height); err != nil {
			return err
		}
		if e := at[seq]; e != nil {
			e.Attachments = append(e.Attachments, b)
		}
	}
	return rows.Err()
}

func addReactions(q sqldb.Queryer, person int64, conv store.ConvID, low, high int64, at map[int64]*store.Event) error {
	rows, err := q.Query(`SELECT r.seq, r.person, r.emoji, p.username FROM reactions r JOIN people p ON p.id = r.person
		WHERE r.conv = ? AND r.seq BETWEEN ? AND ? ORDER BY r.seq, r.person`, conv, low, high)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var seq, who int64
		var emoji, name string
		if err := rows.Scan(&seq, &who, &emoji, &name); err != nil {
			return err
		}
		if e := at[seq]; e != nil {
			e.Reactions = count(e.Reactions, emoji, name, who == person)
		}
	}
	return rows.Err()
}

func count(all []store.ReactionCount, emoji, name string, mine bool) []store.ReactionCount {
	i := 0
	for i < len(all) && all[i].Emoji != emoji {
		i++
	}
	if i == len(all) {
		all = append(all, store.ReactionCount{Emoji: emoji})
	}
	r := &all[i]
	r.Count++
	r.Mine = r.Mine || mine
	if len(r.Users) < store.ReactionUsers {
		r.Users = append(r.Users, name)
	}
	return all
}
