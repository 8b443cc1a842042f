package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/porticod/portico/pkg/sqldb"
)

// magic is how each database file begins.
const magic = "SQLite format 3\x00"

// IsDatabase reports whether the file at path begins as databases do. An empty
// file is none yet.
func IsDatabase(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	// Closing it drops SQLite's locks on the file, if this process has any: so
	// this is not for a process that has the database open.
	defer f.Close()
	b := make([]byte, len(magic))
	_, err = io.ReadFull(f, b)
	return err == nil && string(b) == magic
}

// A File is a database that nobody writes, such as a copy.
type File struct {
	path string
	db   *sql.DB
}

// OpenFile opens the database at path for looking at it. Nothing is written, no
// file is made beside it. The caller closes it.
func OpenFile(path string) (*File, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db, err := poolOf(path, "ro", "query_only(1)", "trusted_schema(0)", "cell_size_check(1)")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return &File{path, db}, nil
}

// Close closes it.
func (f *File) Close() error { return f.db.Close() }

// Schema is the number of the last migration that the database has seen.
func (f *File) Schema(ctx context.Context) (n int, err error) {
	if err := f.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&n); err != nil {
		return 0, fmt.Errorf("read schema of %s: %w", f.path, classify(err))
	}
	return n, nil
}

// Verify reads everything: pages, indexes, constraints. Damage is an error that
// matches sqldb.ErrCorrupt.
func (f *File) Verify(ctx context.Context) error {
	rows, err := f.db.QueryContext(ctx, "PRAGMA integrity_check(3)")
	if err != nil {
		return fmt.Errorf("verify %s: %w", f.path, classify(err))
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return fmt.Errorf("verify %s: %w", f.path, classify(err))
		}
		found = append(found, line)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("verify %s: %w", f.path, classify(err))
	}
	if len(found) != 1 || found[0] != "ok" {
		return fmt.Errorf("%w: %s: %s", sqldb.ErrCorrupt, f.path, strings.Join(found, "; "))
	}
	return nil
}

// Texts calls fn with each text of a column that is not empty, each once, in
// order. A table or column that the schema does not have, yet or any more, has
// none.
func (f *File) Texts(ctx context.Context, table, column string, fn func(string) error) error {
	var one int
	err := f.db.QueryRowContext(ctx, `SELECT 1 FROM pragma_table_info(?) WHERE name = ?`, table, column).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("read %s of %s: %w", table, f.path, classify(err))
	}
	quote := func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
	rows, err := f.db.QueryContext(ctx, fmt.Sprintf(`SELECT DISTINCT %[1]s FROM %[2]s WHERE %[1]s <> '' ORDER BY %[1]s`, quote(column), quote(table)))
	if err != nil {
		return fmt.Errorf("read %s of %s: %w", table, f.path, classify(err))
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return fmt.Errorf("read %s of %s: %w", table, f.path, classify(err))
		}
		if err := fn(text); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s of %s: %w", table, f.path, classify(err))
	}
	return nil
}
