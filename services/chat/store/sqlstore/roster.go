package sqlstore

import (
	"errors"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// maxRosterIDs bounds the cache of members: 16 MB of ids.
const maxRosterIDs = 2 << 20

// A roster is who is in a conversation. It never changes: it is right as long as
// the conversation's row has its version, a position that was committed and is
// never used again. What is read is kept only once its transaction is committed:
// where several nodes write, a position whose transaction was undone may be given
// to something else.
type roster struct {
	version int64
	ids     []int64 // ascending
	hidden  []int64 // those of ids who do not have it in their list yet
}

// rosters are those in use. Only the writer's goroutine has them.
type rosters struct {
	convs map[store.ConvID]roster
	count int // of ids
}

func newRosters() rosters { return rosters{convs: map[store.ConvID]roster{}} }

func (r *rosters) put(conv store.ConvID, ro roster) {
	r.count += len(ro.ids) - len(r.convs[conv].ids)
	r.convs[conv] = ro
	for other, o := range r.convs { // any ones
		if r.count <= maxRosterIDs && len(r.convs) <= maxRosterIDs/16 {
			break
		}
		if other != conv {
			r.count -= len(o.ids)
			delete(r.convs, other)
		}
	}
}

// roster returns the members of a conversation that is at a version.
func (t *txn) roster(conv store.ConvID, version int64) (roster, error) {
	if ro, ok := t.s.rosters.convs[conv]; ok && ro.version == version {
		return ro, nil
	}
	rows, err := t.Query(`SELECT person, shown FROM members WHERE conv = ? AND left_seq IS NULL ORDER BY person`, conv)
	if err != nil {
		return roster{}, err
	}
	defer rows.Close()
	ro := roster{version: version}
	for rows.Next() {
		var id, shown int64
		if err := rows.Scan(&id, &shown); err != nil {
			return roster{}, err
		}
		ro.ids = append(ro.ids, id)
		if shown == 0 {
			ro.hidden = append(ro.hidden, id)
		}
	}
	if err := rows.Err(); err != nil {
		return roster{}, err
	}
	t.AfterCommit(func() { t.s.rosters.put(conv, ro) })
	return ro, nil
}

// reroster notes that the members of a conversation, or who has it in his list,
// have changed.
func (t *txn) reroster(conv store.ConvID, cursor int64) error {
	_, err := t.Exec(`UPDATE conversations SET roster = ?, touched = ? WHERE id = ?`, cursor, cursor, conv)
	return err
}

// others are those of ids that are not without. It makes a new slice.
func others(ids []int64, without ...int64) []int64 {
	left := make([]int64, 0, len(ids))
next:
	for _, id := range ids {
		for _, w := range without {
			if id == w {
				continue next
			}
		}
		left = append(left, id)
	}
	return left
}

// A standing is what somebody is in a conversation.
type standing struct {
	kind      string
	last      int64 // seq
	lastAt    int64
	count     int64
	version   int64 // of the roster
	role      string
	from      int64
	left      int64 // last seq that one sees; 0: a member
	shown     int64
	recv      int64
	read      int64
	recvShown int64
	readShown int64
	unread    bool
}

// standingOf returns ErrNotFound for who never was in a conversation.
func standingOf(q sqldb.Queryer, conv store.ConvID, person int64) (st standing, err error) {
	err = q.QueryRow(`SELECT c.kind, c.last_seq, c.last_at, c.count, c.roster, m.role, m.from_seq, coalesce(m.left_seq, 0), m.shown,
			m.recv, m.read, m.recv_shown, m.read_shown, m.unread
		FROM members m JOIN conversations c ON c.id = m.conv WHERE m.conv = ? AND m.person = ?`, conv, person).
		Scan(&st.kind, &st.last, &st.lastAt, &st.count, &st.version, &st.role, &st.from, &st.left, &st.shown,
			&st.recv, &st.read, &st.recvShown, &st.readShown, &st.unread)
	if errors.Is(err, sqldb.ErrNoRows) {
		err = store.ErrNotFound
	}
	return st, err
}

// member is standingOf for what only members may do.
func member(q sqldb.Queryer, conv store.ConvID, person int64) (standing, error) {
	st, err := standingOf(q, conv, person)
	if err == nil && st.left != 0 {
		err = store.ErrLeft
	}
	return st, err
}

// admin is member for what only owner and admins of a group may do.
func admin(q sqldb.Queryer, conv store.ConvID, person int64) (standing, error) {
	st, err := member(q, conv, person)
	switch {
	case err != nil:
		return st, err
	case st.kind != store.Group:
		return st, store.ErrGroupOnly
	case st.role == store.Member:
		return st, store.ErrForbidden
	}
	return st, nil
}

// facing reports whether somebody whom blocked names is the other side of a
// direct conversation.
func facing(st standing, ro roster, me int64, blocked store.Blocker) bool {
	if st.kind != store.Direct || blocked == nil {
		return false
	}
	for _, id := range ro.ids {
		if id != me && blocked.Has(id) {
			return true
		}
	}
	return false
}
