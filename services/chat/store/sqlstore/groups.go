package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// CreateGroup implements store.Groups. Its members are there from the start:
// that is no event of its own.
func (s *Store) CreateGroup(ctx context.Context, g store.GroupDraft, limit int) (sum *store.Summary, created bool, err error) {
	hash := groupHash(g)
	err = s.write(ctx, func(t *txn) error {
		var conv store.ConvID
		var old []byte
		err := t.QueryRow(`SELECT conv, hash FROM creations WHERE person = ? AND cid = ?`, g.By.ID, g.CID).Scan(&conv, &old)
		switch {
		case err == nil && !bytes.Equal(old, hash):
			return store.ErrConflict
		case errors.Is(err, sqldb.ErrNoRows) && g.Refusal != nil:
			return g.Refusal
		case errors.Is(err, sqldb.ErrNoRows) && len(g.Members)+1 > limit:
			return store.ErrCrowded
		case errors.Is(err, sqldb.ErrNoRows):
			created = true
			if conv, err = createGroup(t, g, hash); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		sum, err = summary(t, g.By.ID, conv)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return sum, created, nil
}

func groupHash(g store.GroupDraft) []byte {
	names := make([]string, len(g.Members))
	for i, m := range g.Members {
		names[i] = m.Username
	}
	slices.Sort(names)
	b := appendPart(appendPart(nil, g.Title), g.Avatar)
	for _, n := range names {
		b = appendPart(b, n)
	}
	sum := sha256.Sum256(b)
	return sum[:16]
}

func createGroup(t *txn, g store.GroupDraft, hash []byte) (conv store.ConvID, err error) {
	if g.Avatar != "" {
		if _, err := visibleBlob(t, g.By.ID, g.Avatar); err != nil {
			return 0, err
		}
	}
	if err := addPerson(t, g.By); err != nil {
		return 0, err
	}
	cursor, now := t.next(), nowMillis()
	err = t.QueryRow(`INSERT INTO conversations (kind, title, avatar, created_by, created_at, last_at, last_cursor, touched, count, roster)
		VALUES ('group', ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		g.Title, nullText(g.Avatar), g.By.ID, now, now, cursor, cursor, len(g.Members)+1, cursor).Scan(&conv)
	if err != nil {
		return 0, err
	}
	if _, err := t.Exec(`INSERT INTO creations (person, cid, conv, hash) VALUES (?, ?, ?, ?)`, g.By.ID, g.CID, conv, hash); err != nil {
		return 0, err
	}
	const add = `INSERT INTO members (conv, person, role, shown) VALUES (?, ?, ?, ?)`
	if _, err := t.Exec(add, conv, g.By.ID, store.Owner, cursor); err != nil {
		return 0, err
	}
	var ids []int64
	for _, p := range g.Members {
		if err := addPerson(t, p); err != nil {
			return 0, err
		}
		if _, err := t.Exec(add, conv, p.ID, store.Member, cursor); err != nil {
			return 0, err
		}
		ids = append(ids, p.ID)
	}
	sum, err := summary(t, g.By.ID, conv)
	if err != nil {
		return 0, err
	}
	e := store.Event{Cursor: cursor, Type: store.Conversation, Conv: conv, Summary: sum, Audience: []int64{g.By.ID}}
	t.add(e)
	asMember := *sum
	asMember.Role = store.Member
	e.Summary, e.Audience = &asMember, ids
	t.add(e)
	return conv, nil
}

// UpdateGroup implements store.Groups.
func (s *Store) UpdateGroup(ctx context.Context, by store.Person, conv store.ConvID, title, avatar *string) (sum *store.Summary, err error) {
	err = s.write(ctx, func(t *txn) error {
		st, err := admin(t, conv, by.ID)
		if err != nil {
			return err
		}
		old, err := shared(t, conv)
		if err != nil {
			return err
		}
		newTitle, newAvatar := old.Title, old.Avatar
		if title != nil {
			newTitle = *title
		}
		if avatar != nil && *avatar != old.Avatar {
			newAvatar = *avatar
			if newAvatar != "" {
				if _, err := visibleBlob(t, by.ID, newAvatar); err != nil {
					return err
				}
			}
		}
		if newTitle != old.Title || newAvatar != old.Avatar {
			if err := retitle(t, by, conv, st, old, newTitle, newAvatar); err != nil {
				return err
			}
		}
		sum, err = summary(t, by.ID, conv)
		return err
	})
	return sum, err
}

// retitle changes title and avatar, each with an event of its own.
func retitle(t *txn, by store.Person, conv store.ConvID, st standing, old *store.Summary, title, avatar string) error {
	ro, err := t.roster(conv, st.version)
	if err != nil {
		return err
	}
	now := *old
	say := func(action, text string) error {
		e := store.Event{Type: store.Change, Conv: conv, From: by, Action: action, Text: text, Audience: ro.ids}
		if err := t.event(&e); err != nil {
			return err
		}
		sum := now
		sum.LastSeq, e.Summary = e.Seq, &sum
		t.add(e)
		return nil
	}
	if now.Title = title; title != old.Title {
		if err := say(store.Titled, title); err != nil {
			return err
		}
	}
	if now.Avatar = avatar; avatar != old.Avatar {
		if err := say(store.Pictured, ""); err != nil {
			return err
		}
	}
	if _, err := t.Exec(`UPDATE conversations SET title = ?, avatar = ? WHERE id = ?`, title, nullText(avatar), conv); err != nil {
		return err
	}
	if old.Avatar != "" && old.Avatar != avatar {
		return release(t, old.Avatar)
	}
	return nil
}

// AddMember implements store.Groups.
func (s *Store) AddMember(ctx context.Context, by store.Person, conv store.ConvID, p store.Person, role string, limit int, blocked store.Blocker) error {
	return s.write(ctx, func(t *txn) error {
		st, err := admin(t, conv, by.ID)
		if err != nil {
			return err
		}
		theirs, err := standingOf(t, conv, p.ID)
		if err == nil && theirs.left == 0 {
			return setRole(t, conv, st, by, p, theirs.role, role)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if blocked != nil && blocked.Has(p.ID) {
			return store.ErrBlocked
		}
		if role == "" {
			role = store.Member
		}
		return join(t, conv, st.count, by, p, role, limit)
	})
}

func setRole(t *txn, conv store.ConvID, st standing, by, p store.Person, old, role string) error {
	switch {
	case role == "" || role == old:
		return nil
	case old == store.Owner:
		return store.ErrForbidden
	}
	return giveRole(t, conv, st.version, by, p, role)
}

// giveRole sets a role and says so to everybody.
func giveRole(t *txn, conv store.ConvID, version int64, by, p store.Person, role string) error {
	ro, err := t.roster(conv, version)
	if err != nil {
		return err
	}
	if _, err := t.Exec(`UPDATE members SET role = ? WHERE conv = ? AND person = ?`, role, conv, p.ID); err != nil {
		return err
	}
	e := store.Event{Type: store.Membership, Conv: conv, From: by, User: p, Action: store.RoleSet, Role: role, Audience: ro.ids}
	if err := t.event(&e); err != nil {
		return err
	}
	t.add(e)
	return nil
}

// join puts p into a group of count members. What he saw before stays readable.
func join(t *txn, conv store.ConvID, count int64, by, p store.Person, role string, limit int) error {
	if count >= int64(limit) {
		return store.ErrCrowded
	}
	if err := errors.Join(addPerson(t, by), addPerson(t, p)); err != nil {
		return err
	}
	shown := t.next()
	e := store.Event{Type: store.Membership, Conv: conv, From: by, User: p, Action: store.Added, Role: role}
	if err := t.event(&e); err != nil {
		return err
	}
	_, err := t.Exec(`INSERT INTO spans (conv, person, from_seq, to_seq) SELECT conv, person, from_seq, left_seq FROM members WHERE conv = ? AND person = ?`, conv, p.ID)
	if err != nil {
		return err
	}
	_, err = t.Exec(`INSERT INTO members (conv, person, role, from_seq, shown) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (conv, person) DO UPDATE SET role = excluded.role, from_seq = excluded.from_seq, left_seq = NULL, left_title = NULL, shown = excluded.shown`,
		conv, p.ID, role, e.Seq, shown)
	if err != nil {
		return err
	}
	if _, err := t.Exec(`UPDATE conversations SET count = count + 1 WHERE id = ?`, conv); err != nil {
		return err
	}
	if err := t.reroster(conv, e.Cursor); err != nil {
		return err
	}
	sum, err := summary(t, p.ID, conv)
	if err != nil {
		return err
	}
	ro, err := t.roster(conv, e.Cursor)
	e.Audience = ro.ids
	t.add(store.Event{Cursor: shown, Type: store.Conversation, Conv: conv, Seq: sum.LastSeq, Summary: sum, Audience: []int64{p.ID}})
	t.add(e)
	return err
}

// RemoveMember implements store.Groups.
func (s *Store) RemoveMember(ctx context.Context, by store.Person, conv store.ConvID, p store.Person) error {
	return s.write(ctx, func(t *txn) error {
		if by.ID == p.ID {
			st, err := member(t, conv, by.ID)
			if err == nil && st.kind != store.Group {
				err = store.ErrGroupOnly
			}
			if err != nil {
				return err
			}
			return leave(t, conv, by, p)
		}
		if _, err := admin(t, conv, by.ID); err != nil {
			return err
		}
		theirs, err := standingOf(t, conv, p.ID)
		switch {
		case errors.Is(err, store.ErrNotFound) || err == nil && theirs.left != 0:
			return store.ErrMember
		case err != nil:
			return err
		case theirs.role == store.Owner:
			return store.ErrForbidden
		}
		return leave(t, conv, by, p)
	})
}

// leave ends p's membership, which is his last event. A group without an owner
// gets the one who serves longest; one without members is erased.
func leave(t *txn, conv store.ConvID, by, p store.Person) error {
	st, err := member(t, conv, p.ID)
	if err != nil {
		return err
	}
	ro, err := t.roster(conv, st.version)
	if err != nil {
		return err
	}
	e := store.Event{Type: store.Membership, Conv: conv, From: by, User: p, Action: store.Removed, Audience: ro.ids}
	if by.ID == p.ID {
		e.Action = store.Left
	}
	if err := t.event(&e); err != nil {
		return err
	}
	t.add(e)
	_, err = t.Exec(`UPDATE members SET left_seq = ?1, role = 'member', pinned = 0, left_title = (SELECT title FROM conversations WHERE id = ?2)
		WHERE conv = ?2 AND person = ?3`, e.Seq, conv, p.ID)
	if err != nil {
		return err
	}
	if _, err := t.Exec(`UPDATE conversations SET count = count - 1 WHERE id = ?`, conv); err != nil {
		return err
	}
	if err := t.reroster(conv, e.Cursor); err != nil {
		return err
	}
	if st.count == 1 {
		return abandon(t, conv, e.Seq)
	}
	if st.role != store.Owner {
		return nil
	}
	var heir store.Person
	err = t.QueryRow(`SELECT p.id, p.username FROM members m JOIN people p ON p.id = m.person WHERE m.conv = ? AND m.left_seq IS NULL
		ORDER BY m.role = 'admin' DESC, m.from_seq, m.person LIMIT 1`, conv).Scan(&heir.ID, &heir.Username)
	if err != nil {
		return err
	}
	return giveRole(t, conv, e.Cursor, by, heir, store.Owner)
}

// abandon hides a group that nobody is in from all who were, and has it erased.
func abandon(t *txn, conv store.ConvID, seq int64) error {
	were, err := column[int64](t, `SELECT person FROM members WHERE conv = ? AND shown > 0`, conv)
	if err != nil {
		return err
	}
	for _, person := range were {
		if err := gone(t, conv, person, seq); err != nil {
			return err
		}
	}
	return exec(t, []any{conv},
		`DELETE FROM members WHERE conv = ?`,
		`DELETE FROM spans WHERE conv = ?`,
		`DELETE FROM hidden WHERE conv = ?`,
		`UPDATE conversations SET title = '', invite = NULL WHERE id = ?`,
		`INSERT INTO erasures (conv) VALUES (?)`)
}
