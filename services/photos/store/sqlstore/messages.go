package sqlstore

import (
	"context"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// Tell keeps a message for the other nodes, and forgets old ones.
func (d *DB) Tell(ctx context.Context, node string, data []byte) error {
	err := d.db.Write(ctx, func(tx *tx) error {
		id := tx.nextID()
		if _, err := tx.Exec(`DELETE FROM messages WHERE id < ?`, id-store.MessageLife.Milliseconds()<<16); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO messages (id, node, data) VALUES (?, ?, ?)`, id, node, data)
		return err
	})
	return wrap("tell other nodes", err)
}

// Hear returns what other nodes told.
func (d *DB) Hear(ctx context.Context, node string, after int64, limit int) (messages [][]byte, last int64, err error) {
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		if last = after; after < 0 {
			return q.QueryRow(`SELECT last FROM ids WHERE one = 1`).Scan(&last)
		}
		_, err := collect(q, func(r sqldb.Rows) (none struct{}, err error) {
			var by string
			var data []byte
			if err = r.Scan(&last, &by, &data); err == nil && by != node {
				messages = append(messages, data)
			}
			return none, err
		}, `SELECT id, node, data FROM messages WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
		return err
	})
	return messages, last, wrap("hear other nodes", err)
}
