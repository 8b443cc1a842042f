package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/porticod/portico/pkg/sqldb"
)

// maxArgs is how many parameters a statement has at most; SQLite takes 32,766.
const maxArgs = 30000

// A writer collects what a table lacks, and what it has too much.
type writer struct {
	t       *table
	to      sqldb.DB
	rows    [][]any // to be there
	keys    [][]any // to be gone
	changed int64
}

func (w *writer) put(row []any)    { w.rows = append(w.rows, row) }
func (w *writer) remove(row []any) { w.keys = append(w.keys, w.t.keyOf(row)) }

// flush writes where there is enough to write.
func (w *writer) flush(ctx context.Context, enough int) error {
	n := len(w.rows) + len(w.keys)
	if n == 0 || n < enough && n*len(w.t.columns) < maxArgs-len(w.t.columns) {
		return nil
	}
	err := w.to.Write(ctx, func(tx *sqldb.Tx) error {
		if err := w.delete(tx); err != nil {
			return err
		}
		return w.insert(tx, w.rows)
	})
	if errors.Is(err, sqldb.ErrUnique) {
		// A row of the target is in the way that will be changed later, or be gone. It
		// goes now; where it has to be there the next sweep finds that.
		err = w.to.Write(ctx, func(tx *sqldb.Tx) error {
			if err := w.delete(tx); err != nil {
				return err
			}
			for _, row := range w.rows {
				if err := w.clear(tx, row); err != nil {
					return err
				}
				if err := w.insert(tx, [][]any{row}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	w.changed += int64(n)
	w.rows, w.keys = nil, nil
	return nil
}

func (w *writer) delete(tx *sqldb.Tx) error {
	if len(w.keys) == 0 {
		return nil
	}
	one := " OR (" + equal(w.t.keyNames()) + ")"
	var args []any
	for _, key := range w.keys {
		args = append(args, key...)
	}
	_, err := tx.Exec(`DELETE FROM `+quote(w.t.name)+` WHERE `+strings.Repeat(one, len(w.keys))[len(" OR "):], args...)
	return err
}

func equal(names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = quote(n) + " = ?"
	}
	return strings.Join(parts, " AND ")
}

func (w *writer) insert(tx *sqldb.Tx, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	var args []any
	for _, row := range rows {
		args = append(args, row...)
	}
	text := `INTO ` + quote(w.t.name) + ` (` + list(w.t.columns) + `) VALUES ` + strings.Repeat(", ("+marks(len(w.t.columns))+")", len(rows))[2:]
	if tx.Dialect() == sqldb.SQLite {
		_, err := tx.Exec(`REPLACE `+text, args...) // what is in the way goes
		return err
	}
	var sets []string
	for _, c := range w.t.columns {
		sets = append(sets, fmt.Sprintf("%[1]s = excluded.%[1]s", quote(c)))
	}
	_, err := tx.Exec(`INSERT `+text+` ON CONFLICT (`+list(w.t.keyNames())+`) DO UPDATE SET `+strings.Join(sets, ", "), args...)
	return err
}

// clear removes other rows that have a key of this one.
func (w *writer) clear(tx *sqldb.Tx, row []any) error {
	for _, columns := range w.t.unique {
		var args []any
		for _, i := range columns {
			args = append(args, row[i])
		}
		_, err := tx.Exec(`DELETE FROM `+quote(w.t.name)+` WHERE `+equal(w.t.names(columns))+` AND NOT (`+equal(w.t.keyNames())+`)`,
			append(args, w.t.keyOf(row)...)...)
		if err != nil {
			return err
		}
	}
	return nil
}
