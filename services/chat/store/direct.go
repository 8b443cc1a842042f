package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/porticod/portico/pkg/sqlite"
)

// Direct returns the conversation of two people, or of one with himself, and
// makes it where there is none. created says that it was not in me's list
// before. The other side sees it from its first message on.
func (s *Store) Direct(ctx context.Context, me, other Person) (sum *Summary, created bool, err error) {
	err = s.write(ctx, func(t *txn) error {
		conv, err := direct(t, me, other)
		if err != nil {
			return err
		}
		var shown int64
		if err := t.QueryRow(`SELECT shown FROM members WHERE conv = ? AND person = ?`, conv, me.ID).Scan(&shown); err != nil {
			return err
		}
		if created = shown == 0; created {
			if err := show(t, conv, me.ID); err != nil {
				return err
			}
		}
		sum, err = summary(t, me.ID, conv)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return sum, created, nil
}

// direct finds or makes the conversation and its members.
func direct(t *txn, me, other Person) (conv ConvID, err error) {
	key := fmt.Sprintf("%d:%d", min(me.ID, other.ID), max(me.ID, other.ID))
	err = t.QueryRow(`SELECT id FROM conversations WHERE direct = ?`, key).Scan(&conv)
	if !errors.Is(err, sqlite.ErrNoRows) {
		return conv, err
	}
	for _, p := range []Person{me, other} {
		if err := addPerson(t, p); err != nil {
			return 0, err
		}
	}
	cursor := t.next() // no two conversations have the same place in the list
	now := nowMillis()
	err = t.QueryRow(`INSERT INTO conversations (kind, direct, created_by, created_at, last_at, last_cursor, touched)
		VALUES ('direct', ?, ?, ?, ?, ?, ?) RETURNING id`, key, me.ID, now, now, cursor, cursor).Scan(&conv)
	if err != nil {
		return 0, err
	}
	for _, p := range []Person{me, other} {
		if _, err := t.Exec(`INSERT INTO members (conv, person) VALUES (?, ?) ON CONFLICT DO NOTHING`, conv, p.ID); err != nil {
			return 0, err
		}
	}
	return conv, nil
}

func addPerson(t *txn, p Person) error {
	_, err := t.Exec(`INSERT INTO people (id, username) VALUES (?, ?) ON CONFLICT DO NOTHING`, p.ID, p.Username)
	return err
}

// maxMarkAudience is the size up to which all members hear of marks. In larger
// conversations only the member's own devices do.
const maxMarkAudience = 64

// Mark lifts a member's marks. They never fall, and end at the newest event;
// read lifts recv.
func (s *Store) Mark(ctx context.Context, who Person, conv ConvID, recv, read int64) error {
	return s.write(ctx, func(t *txn) error {
		var oldRecv, oldRead, last int64
		err := t.QueryRow(`SELECT m.recv, m.read, c.last_seq FROM members m JOIN conversations c ON c.id = m.conv
			WHERE m.conv = ? AND m.person = ? AND m.left_seq IS NULL`, conv, who.ID).Scan(&oldRecv, &oldRead, &last)
		if errors.Is(err, sqlite.ErrNoRows) {
			return ErrNotFound
		} else if err != nil {
			return err
		}
		read = max(oldRead, min(read, last))
		recv = max(oldRecv, min(recv, last), read)
		if read == oldRead && recv == oldRecv {
			return nil
		}
		cursor := t.next()
		_, err = t.Exec(`UPDATE members SET recv = ?, read = ?, mark_cursor = ? WHERE conv = ? AND person = ?`,
			recv, read, cursor, conv, who.ID)
		if err != nil {
			return err
		}
		if _, err := t.Exec(`UPDATE conversations SET touched = ? WHERE id = ?`, cursor, conv); err != nil {
			return err
		}
		audience, err := markAudience(t, conv, who.ID)
		t.add(Event{
			Cursor: cursor, Type: Mark, Conv: conv, From: who, Recv: recv, Read: read, Audience: audience,
		})
		return err
	})
}

// markAudience leaves out who has not seen the conversation yet.
func markAudience(t *txn, conv ConvID, who int64) ([]int64, error) {
	rows, err := t.Query(`SELECT person FROM members WHERE conv = ? AND left_seq IS NULL AND shown > 0 LIMIT ?`, conv, maxMarkAudience+1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if len(ids) > maxMarkAudience {
		ids = []int64{who}
	}
	return ids, rows.Err()
}
