package sqlstore

import (
	"context"
	"errors"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// Erase implements store.Upkeep.
func (s *Store) Erase(ctx context.Context, person int64) error {
	return s.write(ctx, func(t *txn) error {
		known, err := exists(t, `SELECT 1 FROM people WHERE id = ? AND NOT EXISTS (SELECT 1 FROM erasures WHERE person = ?)`, person, person)
		if err != nil || !known {
			return err
		}
		_, err = t.Exec(`INSERT INTO erasures (person) VALUES (?)`, person)
		return err
	})
}

type erasure struct {
	id     int64
	person int64
	conv   store.ConvID
	below  int64
}

// Erasing implements store.Upkeep.
func (s *Store) Erasing(ctx context.Context) (more bool, err error) {
	var waiting bool
	err = s.read(ctx, func(q sqldb.Queryer) error {
		waiting, err = exists(q, `SELECT 1 FROM erasures LIMIT 1`)
		return err
	})
	if err != nil || !waiting {
		return false, err
	}
	err = s.write(ctx, func(t *txn) error {
		var e erasure
		err := t.QueryRow(`SELECT id, coalesce(person, 0), coalesce(conv, 0), coalesce(below, 0) FROM erasures ORDER BY id LIMIT 1`).
			Scan(&e.id, &e.person, &e.conv, &e.below)
		if errors.Is(err, sqldb.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		more = true
		var done bool
		switch {
		case e.person != 0:
			done, err = erasePerson(t, e.person)
		case e.below != 0:
			done, err = eraseSome(t, `WHERE e.conv = ? AND e.seq < ? AND e.type = 1 AND e.deleted = 0`, e.conv, e.below)
		default:
			done, err = eraseGroup(t, e.conv)
		}
		if err == nil && done {
			_, err = t.Exec(`DELETE FROM erasures WHERE id = ?`, e.id)
		}
		return err
	})
	return more, err
}

// eraseSome erases some of the messages that a condition finds; done says that
// these were the last.
func eraseSome(t *txn, where string, args ...any) (done bool, err error) {
	rows, err := t.Query(`SELECT `+eventColumns+` FROM `+eventTables+` `+where+` LIMIT ?`, append(args, upkeepPage)...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var msgs []store.Event
	for rows.Next() {
		m, err := scanEvent(rows)
		if err != nil {
			return false, err
		}
		msgs = append(msgs, m)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return false, err
	}
	for i := range msgs {
		if err := eraseMessage(t, &msgs[i]); err != nil {
			return false, err
		}
	}
	return len(msgs) < upkeepPage, nil
}

// eraseGroup removes a group that nobody is in.
func eraseGroup(t *txn, conv store.ConvID) (done bool, err error) {
	done, err = eraseSome(t, `WHERE e.conv = ? AND e.type = 1 AND e.deleted = 0`, conv)
	if err != nil || !done {
		return false, err
	}
	res, err := t.Exec(`DELETE FROM events WHERE cursor IN (SELECT cursor FROM events WHERE conv = ? LIMIT ?)`, conv, upkeepPage*10)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n == upkeepPage*10 {
		return false, err
	}
	avatar, err := column[string](t, `DELETE FROM conversations WHERE id = ? RETURNING coalesce(avatar, '')`, conv)
	for _, id := range avatar {
		err = errors.Join(err, release(t, id))
	}
	return true, err
}

// erasePerson takes somebody whose account is gone out of his groups, one at a
// time, and then removes what he said and held. His name stays on the empty
// messages: usernames are never given again.
func erasePerson(t *txn, person int64) (done bool, err error) {
	p := store.Person{ID: person}
	if err := t.QueryRow(`SELECT username FROM people WHERE id = ?`, person).Scan(&p.Username); err != nil {
		return false, err
	}
	groups, err := column[store.ConvID](t, `SELECT m.conv FROM members m JOIN conversations c ON c.id = m.conv
		WHERE m.person = ? AND m.left_seq IS NULL AND c.kind = 'group' LIMIT 1`, person)
	if err != nil {
		return false, err
	}
	if len(groups) > 0 {
		return false, leave(t, groups[0], p, p)
	}
	// Those that went off his list hold what he said, too.
	convs, err := column[store.ConvID](t, `SELECT conv FROM members WHERE person = ?1 UNION SELECT conv FROM gone WHERE person = ?1`, person)
	if err != nil {
		return false, err
	}
	for _, conv := range convs {
		any, err := exists(t, `SELECT 1 FROM events WHERE conv = ? AND sender = ? AND cid IS NOT NULL AND deleted = 0 LIMIT 1`, conv, person)
		if err != nil {
			return false, err
		}
		if any {
			_, err := eraseSome(t, `WHERE e.conv = ? AND e.sender = ? AND e.cid IS NOT NULL AND e.deleted = 0`, conv, person)
			return false, err
		}
	}
	if err := setAvatar(t, person, ""); err != nil {
		return false, err
	}
	held, err := column[string](t, `DELETE FROM blobs AS b WHERE b.owner = ? AND `+unheld+` RETURNING hash`, person)
	if err != nil {
		return false, err
	}
	if err := loosen(t, held); err != nil {
		return false, err
	}
	return true, exec(t, []any{person},
		`DELETE FROM reactions WHERE person = ?`,
		`DELETE FROM hidden WHERE person = ?`,
		`DELETE FROM gone WHERE person = ?`,
		`DELETE FROM creations WHERE person = ?`,
		`UPDATE events SET detail = NULL WHERE sender = ? AND type = 4`,
		`UPDATE members SET muted_until = NULL, archived = 0, pinned = 0, unread = 0 WHERE person = ?`)
}
