package sqlstore

import (
	"context"
	"strings"

	"github.com/porticod/portico/pkg/sqldb"
)

// movedAtOnce is how many posts are indexed in one transaction.
const movedAtOnce = 500

// Moved collects the words of posts in a database that was filled from one of
// another engine, and has no words or old ones.
func Moved(ctx context.Context, db sqldb.DB) error {
	d := On(db, nil)
	err := d.db.Write(ctx, func(tx *tx) error {
		_, err := tx.Exec(`DELETE FROM words`)
		return err
	})
	for last, n := int64(0), movedAtOnce; n == movedAtOnce && err == nil; {
		err = d.db.Write(ctx, func(tx *tx) (err error) {
			last, n, err = indexAfter(tx, last)
			return err
		})
	}
	return wrap("collect words", err)
}

// indexAfter keeps the words of the posts that follow one, as index does, and says
// which is the last of them and how many there are.
func indexAfter(tx *tx, post int64) (last int64, n int, err error) {
	rows, err := tx.Query(`SELECT s.id, s.text || ' ' || s.spoiler || ' ' ||
		coalesce((SELECT group_concat(description, ' ') FROM media WHERE status_id = s.id), '') FROM statuses s WHERE s.id > ? ORDER BY s.id LIMIT ?`, post, movedAtOnce)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	var args []any
	for ; rows.Next(); n++ {
		var text string
		if err := rows.Scan(&last, &text); err != nil {
			return 0, 0, err
		}
		if tx.Dialect() == sqldb.Postgres {
			text = vector(text)
		}
		args = append(args, last, text)
	}
	if err := rows.Err(); err != nil || n == 0 {
		return 0, 0, err
	}
	_, err = tx.Exec(`INSERT INTO words (rowid, text) VALUES `+strings.Repeat(tx.Dialect().Pick(`, (?, ?)`, `, (?, CAST(? AS tsvector))`), n)[2:], args...)
	return last, n, err
}
