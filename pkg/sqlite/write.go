package sqlite

import (
	"context"
	"fmt"

	"github.com/porticod/portico/pkg/sqldb"
)

// batchLen is the most requests in one commit.
const batchLen = 256

// transactor is the writer's connection, as a sqldb.Group uses it.
//
// After a failed commit SQLite has taken nothing of it over: its frames in the
// log lie behind the last valid one and the next commit overwrites them. So the
// group rolls back, reports, and goes on with the next batch.
type transactor struct{ *conn }

var _ sqldb.Transactor = transactor{}

func (t transactor) do(ctx context.Context, query string) error {
	_, err := t.Exec(ctx, query)
	return err
}

func (t transactor) Begin(ctx context.Context) error     { return t.do(ctx, "BEGIN IMMEDIATE") }
func (t transactor) Savepoint(ctx context.Context) error { return t.do(ctx, "SAVEPOINT request") }
func (t transactor) Release(ctx context.Context) error   { return t.do(ctx, "RELEASE request") }
func (t transactor) Commit(ctx context.Context) error    { return t.do(ctx, "COMMIT") }
func (t transactor) CloseRows()                          { t.closeRows() }
func (t transactor) Failed() error                       { return nil }

// RollbackTo fails where SQLite has rolled everything back by itself, as after
// some errors of the disk: then the savepoint is gone, and with it the work of
// others.
func (t transactor) RollbackTo(ctx context.Context) error {
	if err := t.do(ctx, "ROLLBACK TO request"); err != nil {
		return err
	}
	return t.Release(ctx)
}

func (t transactor) Rollback(ctx context.Context) error {
	if err := t.do(ctx, "ROLLBACK"); err != nil && !noTransaction(err) {
		return err
	}
	return nil
}

// Probe writes what is there already.
func (t transactor) Probe(tx *sqldb.Tx) error {
	var version int
	if err := tx.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", version))
	return err
}
