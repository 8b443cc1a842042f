package sqlstore

import (
	"context"
	"slices"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// converse has a direct post be the last one of the conversation for everybody
// who takes part, unread for those who did not write it.
func (d *DB) converse(tx *tx, s store.Status) error {
	for _, user := range append([]int64{s.Author}, s.Mentions...) {
		_, err := tx.Exec(`INSERT INTO conversations (id, user_id, thread_id, last_id, unread) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (user_id, thread_id) DO UPDATE SET last_id = CASE WHEN conversations.last_id > excluded.last_id THEN conversations.last_id ELSE excluded.last_id END, unread = excluded.unread`,
			tx.nextID(), user, s.Thread, s.ID, user != s.Author)
		if err != nil {
			return err
		}
	}
	return nil
}

// Conversations lists user's, by their last posts.
func (d *DB) Conversations(ctx context.Context, user int64, p store.Page) (list []store.Conversation, err error) {
	var q query
	q.and(`user_id = ?`, user)
	q.page("last_id", p)
	where, args := q.ordered("last_id", p)
	err = d.db.Read(ctx, func(r sqldb.Queryer) error {
		list, err = readConversations(r, where, args...)
		return err
	})
	return newestFirst(list, p), wrap("list conversations", err)
}

func readConversations(q sqldb.Queryer, where string, args ...any) ([]store.Conversation, error) {
	list, err := collect(q, func(r sqldb.Rows) (c store.Conversation, err error) {
		err = r.Scan(&c.ID, &c.User, &c.Unread, &c.Last.ID)
		return c, err
	}, `SELECT id, user_id, unread, last_id FROM conversations `+where, args...)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(list))
	for i, c := range list {
		ids[i] = c.Last.ID
	}
	last, err := statusesByID(q, ids) // all of them: no conversation outlives its last post
	if err != nil {
		return nil, err
	}
	for i := range last {
		c := &list[i]
		c.Last = last[i]
		for _, who := range append([]int64{c.Last.Author}, c.Last.Mentions...) {
			if who != c.User && !slices.Contains(c.With, who) {
				c.With = append(c.With, who)
			}
		}
	}
	return list, nil
}

// ReadConversation marks one of user's as read.
func (d *DB) ReadConversation(ctx context.Context, user, id int64) (c store.Conversation, err error) {
	err = d.db.Write(ctx, func(tx *tx) error {
		if err := mustAffect(tx.Exec(`UPDATE conversations SET unread = 0 WHERE id = ? AND user_id = ?`, id, user)); err != nil {
			return err
		}
		list, err := readConversations(tx, `WHERE id = ?`, id)
		if err == nil {
			c = list[0]
		}
		return err
	})
	return c, wrap("read conversation", err)
}

// ConversationOf returns the one that a post belongs to, as user has it.
func (d *DB) ConversationOf(ctx context.Context, user, thread int64) (c store.Conversation, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		list, err := readConversations(q, `WHERE user_id = ? AND thread_id = ?`, user, thread)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return store.ErrNotFound
		}
		c = list[0]
		return nil
	})
	return c, wrap("find conversation", err)
}

// DropConversation removes one of user's from the list; the posts stay.
func (d *DB) DropConversation(ctx context.Context, user, id int64) error {
	return wrap("drop conversation", d.db.Write(ctx, func(tx *tx) error {
		return mustAffect(tx.Exec(`DELETE FROM conversations WHERE id = ? AND user_id = ?`, id, user))
	}))
}
