package sqlstore

import (
	"context"
	"slices"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// Mark implements store.Messages.
func (s *Store) Mark(ctx context.Context, who store.Person, conv store.ConvID, recv, read int64, quiet bool, blocked store.Blocker) error {
	return s.write(ctx, func(t *txn) error {
		st, err := member(t, conv, who.ID)
		if err != nil {
			return err
		}
		tidy := read > 0 && st.unread // reading ends the mark by hand
		read = max(st.read, min(read, st.last))
		recv = max(st.recv, min(recv, st.last), read)
		if read != st.read || recv != st.recv {
			if err := liftMarks(t, who, conv, st, recv, read, quiet, blocked); err != nil {
				return err
			}
		}
		if !tidy {
			return nil
		}
		if _, err := t.Exec(`UPDATE members SET unread = 0 WHERE conv = ? AND person = ?`, conv, who.ID); err != nil {
			return err
		}
		return changedForOne(t, who.ID, conv)
	})
}

// liftMarks stores marks and tells those who may know.
func liftMarks(t *txn, who store.Person, conv store.ConvID, st standing, recv, read int64, quiet bool, blocked store.Blocker) error {
	ro, err := t.roster(conv, st.version)
	if err != nil {
		return err
	}
	recvShown, readShown := recv, read
	if quiet {
		readShown = st.readShown
	}
	if facing(st, ro, who.ID, blocked) {
		recvShown, readShown = st.recvShown, st.readShown
	}
	cursor := t.next()
	told := st.count <= store.MaxMarkAudience && (recvShown != st.recvShown || readShown != st.readShown)
	_, err = t.Exec(`UPDATE members SET recv = ?, read = ?, mark_cursor = ?, recv_shown = ?, read_shown = ?,
		shown_cursor = CASE WHEN ? <> 0 THEN ? ELSE shown_cursor END WHERE conv = ? AND person = ?`,
		recv, read, cursor, recvShown, readShown, told, cursor, conv, who.ID)
	if err != nil {
		return err
	}
	if _, err := t.Exec(`UPDATE conversations SET touched = ? WHERE id = ?`, cursor, conv); err != nil {
		return err
	}
	own := store.Event{Cursor: cursor, Type: store.Mark, Conv: conv, From: who, Recv: recv, Read: read, Audience: []int64{who.ID}}
	if !told {
		t.add(own)
		return nil
	}
	if recvShown == recv && readShown == read {
		if own.Audience = ro.ids; len(ro.hidden) > 0 {
			own.Audience = others(ro.ids, ro.hidden...)
		}
		if !slices.Contains(own.Audience, who.ID) {
			own.Audience = append(slices.Clone(own.Audience), who.ID)
		}
		t.add(own)
		return nil
	}
	t.add(own)
	own.Recv, own.Read, own.Audience = recvShown, readShown, others(ro.ids, append([]int64{who.ID}, ro.hidden...)...)
	t.add(own)
	return nil
}

// Receipts implements store.Messages.
func (s *Store) Receipts(ctx context.Context, person int64, conv store.ConvID, seq int64, after string, limit int) (ms []store.MemberInfo, more bool, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		m, err := getMessage(q, person, conv, seq)
		if err != nil {
			return err
		}
		ms, err = memberPage(q, person, conv, after, limit+1, ` AND m.from_seq <= ? AND m.person <> ?`, seq, m.From.ID)
		return err
	})
	if more = len(ms) > limit; more {
		ms = ms[:limit]
	}
	return ms, more, err
}

// Members implements store.Groups.
func (s *Store) Members(ctx context.Context, person int64, conv store.ConvID, after string, limit int) (ms []store.MemberInfo, more bool, err error) {
	err = s.read(ctx, func(q sqldb.Queryer) error {
		if _, err := member(q, conv, person); err != nil {
			return err
		}
		ms, err = memberPage(q, person, conv, after, limit+1, "")
		return err
	})
	if more = len(ms) > limit; more {
		ms = ms[:limit]
	}
	return ms, more, err
}

// memberPage reads members by name, with the marks that person may see.
func memberPage(q sqldb.Queryer, person int64, conv store.ConvID, after string, limit int, where string, args ...any) ([]store.MemberInfo, error) {
	args = append([]any{person, person, conv, after}, args...)
	rows, err := q.Query(`SELECT p.id, p.username, m.role, CASE WHEN m.person = ? THEN m.recv ELSE m.recv_shown END,
			CASE WHEN m.person = ? THEN m.read ELSE m.read_shown END
		FROM members m JOIN people p ON p.id = m.person
		WHERE m.conv = ? AND m.left_seq IS NULL AND p.username > ?`+where+` ORDER BY p.username LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ms []store.MemberInfo
	for rows.Next() {
		var m store.MemberInfo
		if err := rows.Scan(&m.Person.ID, &m.Person.Username, &m.Role, &m.Recv, &m.Read); err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, rows.Err()
}
