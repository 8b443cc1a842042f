package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/services/chat/store"
)

// Send implements store.Messages.
func (s *Store) Send(ctx context.Context, drafts []store.Draft) ([]store.Sent, error) {
	sent := make([]store.Sent, len(drafts))
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
func sendOne(t *txn, d *store.Draft) (store.Sent, error) {
	st, err := standingOf(t, d.Conv, d.From.ID)
	if errors.Is(err, store.ErrNotFound) {
		return store.Sent{Err: err}, nil
	} else if err != nil {
		return store.Sent{}, err
	}
	hash := bodyHash(d)
	if sent, found, err := findSent(t, d, hash); found || err != nil {
		return sent, err
	}
	if st.left != 0 {
		return store.Sent{Err: store.ErrLeft}, nil
	}
	ro, err := t.roster(d.Conv, st.version)
	if err != nil {
		return store.Sent{}, err
	}
	if facing(st, ro, d.From.ID, d.Blocked) {
		return store.Sent{Err: store.ErrBlocked}, nil
	}
	if d.ReplyTo != 0 {
		if _, err := getMessage(t, d.From.ID, d.Conv, d.ReplyTo); errors.Is(err, store.ErrMessage) {
			return store.Sent{Err: store.ErrReplyTo}, nil
		} else if err != nil {
			return store.Sent{}, err
		}
	}
	blobs, err := holdable(t, d)
	if errors.Is(err, store.ErrBlob) {
		return store.Sent{Err: err}, nil
	} else if err != nil {
		return store.Sent{}, err
	}
	if d.Allow != nil {
		if after, ok := d.Allow(); !ok {
			return store.Sent{Err: &store.Limited{After: after}}, nil
		}
	}
	return insert(t, d, hash, ro, blobs)
}

// findSent looks for the cid. It stays unique for ever: edits and deletions
// keep it and the hash of what was first sent.
func findSent(t *txn, d *store.Draft, hash []byte) (sent store.Sent, found bool, err error) {
	var old []byte
	err = t.QueryRow(`SELECT seq, at, hash FROM events WHERE conv = ? AND sender = ? AND cid = ?`,
		d.Conv, d.From.ID, d.CID).Scan(&sent.Seq, &sent.At, &old)
	switch {
	case errors.Is(err, sqlite.ErrNoRows):
		return store.Sent{}, false, nil
	case err != nil:
		return store.Sent{}, false, err
	case !bytes.Equal(old, hash):
		return store.Sent{Err: store.ErrConflict}, true, nil
	}
	sent.Dup = true
	return sent, true, nil
}

// holdable returns the attachments, all of which the sender may see.
func holdable(t *txn, d *store.Draft) ([]store.Blob, error) {
	var blobs []store.Blob
	for _, id := range d.Attachments {
		b, err := visibleBlob(t, d.From.ID, id)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, b)
	}
	return blobs, nil
}

// insert stores a message, after showing the conversation to those who do not
// have it in their list: a direct one appears to the other side so.
func insert(t *txn, d *store.Draft, hash []byte, ro roster, blobs []store.Blob) (store.Sent, error) {
	for _, person := range ro.hidden {
		if err := show(t, d.Conv, person); err != nil {
			return store.Sent{}, err
		}
	}
	e := store.Event{
		Type: store.Message, Conv: d.Conv, CID: d.CID, From: d.From, Text: d.Text, ReplyTo: d.ReplyTo,
		Attachments: blobs, Audience: ro.ids,
	}
	if err := t.event(&e, hash); err != nil {
		return store.Sent{}, err
	}
	for n, b := range blobs {
		if _, err := t.Exec(`INSERT INTO attachments (conv, seq, n, blob) VALUES (?, ?, ?, ?)`, d.Conv, e.Seq, n, b.ID); err != nil {
			return store.Sent{}, err
		}
	}
	// Who writes has read what is above; that needs no event of its own.
	_, err := t.Exec(`UPDATE members SET recv = ?, read = ?, recv_shown = ?, read_shown = CASE WHEN ? THEN read_shown ELSE ? END, unread = 0
		WHERE conv = ? AND person = ?`, e.Seq, e.Seq, e.Seq, d.Quiet, e.Seq, d.Conv, d.From.ID)
	if err != nil {
		return store.Sent{}, err
	}
	t.add(e)
	return store.Sent{Seq: e.Seq, At: e.At}, nil
}

// show puts a conversation into a member's list.
func show(t *txn, conv store.ConvID, person int64) error {
	cursor := t.next()
	if _, err := t.Exec(`UPDATE members SET shown = ? WHERE conv = ? AND person = ?`, cursor, conv, person); err != nil {
		return err
	}
	if err := t.reroster(conv, cursor); err != nil {
		return err
	}
	sum, err := summary(t, person, conv)
	if err != nil {
		return err
	}
	t.add(store.Event{Cursor: cursor, Type: store.Conversation, Conv: conv, Seq: sum.LastSeq, Summary: sum, Audience: []int64{person}})
	return nil
}

// bodyHash identifies what a cid was first used for. Each part is preceded by
// its length, so that no two bodies look alike.
func bodyHash(d *store.Draft) []byte {
	b := appendPart(nil, d.Text)
	b = binary.AppendUvarint(b, uint64(d.ReplyTo))
	for _, id := range d.Attachments {
		b = appendPart(b, id)
	}
	sum := sha256.Sum256(b)
	return sum[:16]
}

func appendPart(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
