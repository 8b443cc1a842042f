package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
)

// A Look reads a database that others may have open and write to, in other
// processes too. It changes nothing.
type Look struct{ db *DB }

// NewLook opens the database at path, which has to be there. The caller closes it.
func NewLook(path string, log zerolog.Logger) (*Look, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("look at database: %w", err)
	}
	// Not mode=ro: after a crash the reader is who recovers the log.
	p, err := poolOf(path, "rw", readerPragmas...)
	if err != nil {
		return nil, fmt.Errorf("look at database %s: %w", path, err)
	}
	r := &readers{db: p, slots: make(chan struct{}, 1), done: make(chan struct{}), idle: 30 * time.Second}
	return &Look{&DB{path: path, log: log, wait: 10 * time.Second, readers: r}}, nil
}

// Read is that of sqldb.DB.
func (l *Look) Read(ctx context.Context, fn func(q sqldb.Queryer) error) error {
	return l.db.Read(ctx, fn)
}

// Dialect is that of sqldb.DB.
func (l *Look) Dialect() sqldb.Dialect { return sqldb.SQLite }

// Schema is the number of the last migration that the database has seen.
func (l *Look) Schema(ctx context.Context) (n int, err error) {
	err = l.Read(ctx, func(q sqldb.Queryer) error { return q.QueryRow("PRAGMA user_version").Scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("read schema of %s: %w", l.db.path, err)
	}
	return n, nil
}

// Close ends the look.
func (l *Look) Close() error { return l.db.readers.close() }
