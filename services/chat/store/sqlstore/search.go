package sqlstore

import (
	"context"
	"errors"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

const (
	indexPage = 500 // messages indexed in one transaction
	maxWords  = 16  // of a search
)

// said is a message, as far as the index goes.
type said struct {
	cursor int64
	conv   store.ConvID
	text   string
}

// Index implements store.Upkeep. Messages are indexed some time after they were
// stored, many at a time: that takes a fraction of the work, and none of a
// sender's time.
func (s *Store) Index(ctx context.Context) (more bool, err error) {
	var at int64
	if err := s.db.Read(ctx, func(q sqldb.Queryer) error { return q.QueryRow(`SELECT indexed FROM log`).Scan(&at) }); err != nil {
		return false, storeError(err)
	}
	if at >= s.Cursor() {
		return false, nil
	}
	err = s.write(ctx, func(t *txn) error {
		if err := t.QueryRow(`SELECT indexed FROM log`).Scan(&at); err != nil {
			return err
		}
		rows, err := t.Query(`SELECT cursor, conv, coalesce(text, ''), type FROM events WHERE cursor > ? ORDER BY cursor LIMIT ?`, at, indexPage)
		if err != nil {
			return err
		}
		defer rows.Close()
		var found []said
		n := 0
		for ; rows.Next(); n++ {
			var m said
			var typ store.EventType
			if err := rows.Scan(&at, &m.conv, &m.text, &typ); err != nil {
				return err
			}
			if typ == store.Message && m.text != "" {
				m.cursor = at
				found = append(found, m)
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if err := index(t, found...); err != nil {
			return err
		}
		if more = n == indexPage; !more {
			at = max(at, s.head.last) // nothing lies in between
		}
		_, err = t.Exec(`UPDATE log SET indexed = ?`, at)
		return err
	})
	return more && err == nil, err
}

// Scrub implements store.Upkeep. What a start finds in the log is moved by it.
func (s *Store) Scrub(ctx context.Context) error {
	if !s.stale.Swap(false) {
		return nil
	}
	if err := s.db.Scrub(ctx); err != nil {
		s.stale.Store(true)
		return storeError(err)
	}
	return nil
}

func isIndexed(t *txn, cursor int64) (bool, error) {
	var upTo int64
	err := t.QueryRow(`SELECT indexed FROM log`).Scan(&upTo)
	return cursor <= upTo, err
}

// unindex takes the words of a message out of the index, before they change.
func unindex(t *txn, m *store.Event) error {
	t.AfterCommit(func() { t.s.stale.Store(true) })
	if ok, err := isIndexed(t, m.Cursor); !ok || m.Text == "" || err != nil {
		return err
	}
	if t.Dialect() == sqldb.Postgres {
		_, err := t.Exec(`DELETE FROM search WHERE cursor = ?`, m.Cursor)
		return err
	}
	_, err := t.Exec(`INSERT INTO search (search, rowid, text) VALUES ('delete', ?, ?)`, m.Cursor, m.Text)
	return err
}

// reindex puts new words in.
func reindex(t *txn, m said) error {
	if ok, err := isIndexed(t, m.cursor); !ok || m.text == "" || err != nil {
		return err
	}
	return index(t, m)
}
