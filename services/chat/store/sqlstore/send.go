package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// Send implements store.Messages.
func (s *Store) Send(ctx context.Context, drafts []store.Draft) ([]store.Sent, error) {
	sent := make([]store.Sent, len(drafts))
	err := s.write(ctx, func(t *txn) error {
		r := run{t: t}
		for i := range drafts {
			var err error
			if sent[i], err = r.send(&drafts[i]); err != nil {
				return err
			}
		}
		return r.flush()
	})
	if err != nil {
		return nil, err
	}
	return sent, nil
}

// A run is messages of one person to one conversation, one after the other: what
// they have in common is read and written once.
type run struct {
	t      *txn
	from   int64
	conv   store.ConvID
	st     standing // st.last and st.lastAt are ahead of the row by what is unwritten
	ro     roster
	cursor int64 // of the last message
	quiet  bool
	dirty  bool
}

// begin makes r the run that d belongs to.
func (r *run) begin(d *store.Draft) error {
	if r.from == d.From.ID && r.conv == d.Conv {
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	*r = run{t: r.t}
	st, err := sending(r.t, d.Conv, d.From.ID)
	if err != nil {
		return err
	}
	ro, err := r.t.roster(d.Conv, st.version)
	if err != nil {
		return err
	}
	*r = run{t: r.t, from: d.From.ID, conv: d.Conv, st: st, ro: ro, quiet: d.Quiet}
	return nil
}

// sending is standingOf, as far as it takes to send: every column of an answer
// has its price.
func sending(q sqldb.Queryer, conv store.ConvID, person int64) (st standing, err error) {
	const direct, unread, left = 1, 2, 4
	var flags int
	err = q.QueryRow(`SELECT c.last_seq, c.last_at, c.roster, CASE WHEN c.kind = 'direct' THEN 1 ELSE 0 END + 2 * m.unread + CASE WHEN m.left_seq IS NULL THEN 0 ELSE 4 END
		FROM members m JOIN conversations c ON c.id = m.conv WHERE m.conv = ? AND m.person = ?`, conv, person).
		Scan(&st.last, &st.lastAt, &st.version, &flags)
	if errors.Is(err, sqldb.ErrNoRows) {
		err = store.ErrNotFound
	}
	if st.kind = store.Group; flags&direct != 0 {
		st.kind = store.Direct
	}
	if st.unread = flags&unread != 0; flags&left != 0 {
		st.left = st.last // at most
	}
	return st, err
}

// flush writes what the messages so far have changed beside the log. Who writes
// has read what is above; that needs no event of its own.
func (r *run) flush() error {
	if !r.dirty {
		return nil
	}
	r.dirty = false
	err := both(r.t, `UPDATE conversations SET last_seq = ?1, last_at = ?2, last_cursor = ?3, touched = ?3 WHERE id = ?4`,
		`UPDATE members SET recv = ?1, read = ?1, recv_shown = ?1, read_shown = CASE WHEN ?5 <> 0 THEN read_shown ELSE ?1 END, unread = 0
			WHERE conv = ?4 AND person = ?6`, r.st.last, r.st.lastAt, r.cursor, r.conv, r.quiet, r.from)
	if err == nil && r.st.unread { // who writes has read
		r.st.unread = false
		err = changedForOne(r.t, r.from, r.conv)
	}
	return err
}

// send looks at everything before it writes anything, so that a draft that is
// refused (Sent.Err) leaves the transaction to the others.
func (r *run) send(d *store.Draft) (store.Sent, error) {
	switch err := r.begin(d); {
	case errors.Is(err, store.ErrNotFound):
		return store.Sent{Err: err}, nil
	case err != nil:
		return store.Sent{}, err
	}
	hash := bodyHash(d)
	if r.plain(d) {
		if sent, stored, err := r.append(d, hash, nil); stored || err != nil {
			if stored && d.Allow != nil {
				_, _ = d.Allow() // as it said that it would
			}
			return sent, err
		}
	}
	if sent, found, err := findSent(r.t, d, hash); found || err != nil {
		return sent, err
	}
	blobs, err := r.check(d)
	var limited *store.Limited
	for _, refusal := range []error{store.ErrLeft, store.ErrBlocked, store.ErrReplyTo, store.ErrBlob} {
		if errors.Is(err, refusal) {
			return store.Sent{Err: refusal}, nil
		}
	}
	switch {
	case errors.As(err, &limited):
		return store.Sent{Err: limited}, nil
	case err != nil:
		return store.Sent{}, err
	}
	return r.insert(d, hash, blobs)
}

// plain says that nothing can refuse a message but an earlier one with its cid,
// which is found by storing it: that is one statement for most messages.
func (r *run) plain(d *store.Draft) bool {
	return d.ReplyTo == 0 && len(d.Attachments) == 0 && r.st.left == 0 && len(r.ro.hidden) == 0 &&
		!facing(r.st, r.ro, r.from, d.Blocked) && (d.Allow == nil || d.Allows != nil && d.Allows())
}

// check says whether a new message may be sent, and returns what it holds.
func (r *run) check(d *store.Draft) ([]store.Blob, error) {
	switch {
	case r.st.left != 0:
		return nil, store.ErrLeft
	case facing(r.st, r.ro, r.from, d.Blocked):
		return nil, store.ErrBlocked
	}
	if d.ReplyTo != 0 {
		if err := r.flush(); err != nil { // it may be one of the run
			return nil, err
		}
		if _, err := getMessage(r.t, r.from, r.conv, d.ReplyTo); errors.Is(err, store.ErrMessage) {
			return nil, store.ErrReplyTo
		} else if err != nil {
			return nil, err
		}
	}
	blobs, err := holdable(r.t, d)
	if err != nil {
		return nil, err
	}
	if d.Allow != nil {
		if after, ok := d.Allow(); !ok {
			return nil, &store.Limited{After: after}
		}
	}
	return blobs, nil
}

// findSent looks for the cid. It stays unique for ever: edits and deletions
// keep it and the hash of what was first sent.
func findSent(t *txn, d *store.Draft, hash []byte) (sent store.Sent, found bool, err error) {
	var old []byte
	err = t.QueryRow(`SELECT seq, at, hash FROM events WHERE conv = ? AND sender = ? AND cid = ?`,
		d.Conv, d.From.ID, d.CID).Scan(&sent.Seq, &sent.At, &old)
	switch {
	case errors.Is(err, sqldb.ErrNoRows):
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
func (r *run) insert(d *store.Draft, hash []byte, blobs []store.Blob) (store.Sent, error) {
	t := r.t
	for _, person := range r.ro.hidden {
		if err := show(t, d.Conv, person); err != nil {
			return store.Sent{}, err
		}
	}
	r.ro.hidden = nil // the roster that is kept has another version by now
	sent, stored, err := r.append(d, hash, blobs)
	if err == nil && !stored {
		err = errors.New("a cid that was not there is there")
	}
	return sent, err
}

// append adds a message to the log, unless there is one with its cid.
func (r *run) append(d *store.Draft, hash []byte, blobs []store.Blob) (sent store.Sent, stored bool, err error) {
	t := r.t
	e := store.Event{
		Cursor: t.next(), Type: store.Message, Conv: d.Conv, Seq: r.st.last + 1, At: max(r.st.lastAt, nowMillis()), CID: d.CID, From: d.From,
		Text: d.Text, ReplyTo: d.ReplyTo, Attachments: blobs, Audience: r.ro.ids,
	}
	res, err := t.Exec(`INSERT INTO events (cursor, conv, seq, type, sender, at, cid, hash, text, reply_to)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (conv, sender, cid) WHERE cid IS NOT NULL DO NOTHING`,
		e.Cursor, e.Conv, e.Seq, e.Type, e.From.ID, e.At, e.CID, hash, e.Text, nullable(e.ReplyTo))
	if err != nil {
		return store.Sent{}, false, err
	}
	if n, err := res.RowsAffected(); n == 0 || err != nil {
		return store.Sent{}, false, err
	}
	for n, b := range blobs {
		if _, err := t.Exec(`INSERT INTO attachments (conv, seq, n, blob) VALUES (?, ?, ?, ?)`, d.Conv, e.Seq, n, b.ID); err != nil {
			return store.Sent{}, false, err
		}
	}
	r.st.last, r.st.lastAt, r.cursor, r.dirty = e.Seq, e.At, e.Cursor, true
	t.add(e)
	return store.Sent{Seq: e.Seq, At: e.At}, true, nil
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
