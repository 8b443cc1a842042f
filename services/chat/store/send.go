package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/porticod/portico/pkg/sqlite"
)

// Draft is a message to be stored. What it holds was checked already.
type Draft struct {
	From    Person
	Conv    ConvID
	CID     string
	Text    string
	ReplyTo int64 // 0: none
	// Allow is asked once it is sure that the message is a new one; ok false
	// refuses it with Limited. It must not block.
	Allow func() (after time.Duration, ok bool)
}

// Sent is the answer to a Draft. Err concerns this draft only.
type Sent struct {
	Seq int64
	At  int64
	Dup bool // it was stored before
	Err error
}

// Send stores drafts in one commit, in their order, and returns after it is on
// disk. The error means that nothing is known of any of them.
func (s *Store) Send(ctx context.Context, drafts []Draft) ([]Sent, error) {
	sent := make([]Sent, len(drafts))
	err := s.write(ctx, func(t *txn) error {
		for i := range drafts {
			var err error
			sent[i], err = sendOne(t, &drafts[i])
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sent, nil
}

// sendOne looks at everything before it writes anything, so that a draft that
// is refused (Sent.Err) leaves the transaction to the others.
func sendOne(t *txn, d *Draft) (Sent, error) {
	m, err := readMembership(t, d.Conv, d.From.ID)
	if err != nil || m.fromSeq == 0 {
		return Sent{Err: ErrNotFound}, err
	}
	hash := bodyHash(d)
	if sent, found, err := findSent(t, d, hash); found || err != nil {
		return sent, err
	}
	if d.ReplyTo != 0 {
		if ok, err := canReply(t, d, m.fromSeq); !ok || err != nil {
			return Sent{Err: ErrReplyTo}, err
		}
	}
	if d.Allow != nil {
		if after, ok := d.Allow(); !ok {
			return Sent{Err: &Limited{After: after}}, nil
		}
	}
	return insert(t, d, hash, m)
}

// findSent looks for the cid. It stays unique for ever: edits and deletions
// keep it and the hash of what was first sent.
func findSent(t *txn, d *Draft, hash []byte) (sent Sent, found bool, err error) {
	var old []byte
	err = t.QueryRow(`SELECT seq, at, hash FROM events WHERE conv = ? AND sender = ? AND cid = ?`,
		d.Conv, d.From.ID, d.CID).Scan(&sent.Seq, &sent.At, &old)
	switch {
	case errors.Is(err, sqlite.ErrNoRows):
		return Sent{}, false, nil
	case err != nil:
		return Sent{}, false, err
	case !bytes.Equal(old, hash):
		return Sent{Err: ErrConflict}, true, nil
	}
	sent.Dup = true
	return sent, true, nil
}

func canReply(t *txn, d *Draft, fromSeq int64) (bool, error) {
	var n int
	err := t.QueryRow(`SELECT count(*) FROM events WHERE conv = ? AND seq = ? AND seq >= ? AND type = ?`,
		d.Conv, d.ReplyTo, fromSeq, Message).Scan(&n)
	return n == 1, err
}

// insert stores a message, after showing the conversation to those who do not
// have it in their list: a direct one appears to the other side so.
func insert(t *txn, d *Draft, hash []byte, m membership) (sent Sent, err error) {
	for _, person := range m.hidden {
		if err := show(t, d.Conv, person); err != nil {
			return Sent{}, err
		}
	}
	cursor := t.next()
	err = t.QueryRow(`UPDATE conversations SET last_seq = last_seq + 1, last_at = max(last_at, ?), last_cursor = ?, touched = ?
		WHERE id = ? RETURNING last_seq, last_at`, nowMillis(), cursor, cursor, d.Conv).Scan(&sent.Seq, &sent.At)
	if err != nil {
		return Sent{}, err
	}
	_, err = t.Exec(`INSERT INTO events (cursor, conv, seq, type, sender, at, cid, hash, text, reply_to)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		cursor, d.Conv, sent.Seq, Message, d.From.ID, sent.At, d.CID, hash, d.Text, nullable(d.ReplyTo))
	if err != nil {
		return Sent{}, err
	}
	// Who writes has read what is above; that needs no event of its own.
	_, err = t.Exec(`UPDATE members SET recv = ?, read = ? WHERE conv = ? AND person = ?`, sent.Seq, sent.Seq, d.Conv, d.From.ID)
	if err != nil {
		return Sent{}, err
	}
	t.add(Event{
		Cursor: cursor, Type: Message, Conv: d.Conv, Seq: sent.Seq, CID: d.CID, From: d.From, At: sent.At,
		Text: d.Text, ReplyTo: d.ReplyTo, Audience: m.all,
	})
	return sent, nil
}

// membership is who is in a conversation, as far as one member's message needs.
type membership struct {
	fromSeq int64 // first event that the member sees; 0: he is none
	all     []int64
	hidden  []int64 // those of all who do not have it in their list yet
}

func readMembership(t *txn, conv ConvID, person int64) (m membership, err error) {
	rows, err := t.Query(`SELECT person, shown, from_seq FROM members WHERE conv = ? AND left_seq IS NULL`, conv)
	if err != nil {
		return m, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, shown, fromSeq int64
		if err := rows.Scan(&id, &shown, &fromSeq); err != nil {
			return m, err
		}
		m.all = append(m.all, id)
		if shown == 0 {
			m.hidden = append(m.hidden, id)
		}
		if id == person {
			m.fromSeq = fromSeq
		}
	}
	return m, rows.Err()
}

// show puts a conversation into a member's list.
func show(t *txn, conv ConvID, person int64) error {
	cursor := t.next()
	if _, err := t.Exec(`UPDATE members SET shown = ? WHERE conv = ? AND person = ?`, cursor, conv, person); err != nil {
		return err
	}
	if _, err := t.Exec(`UPDATE conversations SET touched = ? WHERE id = ?`, cursor, conv); err != nil {
		return err
	}
	sum, err := summary(t, person, conv)
	if err != nil {
		return err
	}
	t.add(Event{Cursor: cursor, Type: Conversation, Conv: conv, Summary: sum, Audience: []int64{person}})
	return nil
}

// bodyHash identifies what a cid was first used for. Each part is preceded by
// its length, so that no two bodies look alike.
func bodyHash(d *Draft) []byte {
	b := binary.AppendUvarint(nil, uint64(len(d.Text)))
	b = append(b, d.Text...)
	b = binary.AppendUvarint(b, uint64(d.ReplyTo))
	sum := sha256.Sum256(b)
	return sum[:16]
}

func nullable(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}
