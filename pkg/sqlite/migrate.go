package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/sqldb"
)

// migrate brings the schema to the last migration, each in a transaction of its
// own. PRAGMA user_version holds the number of the last one that was applied.
func (db *DB) migrate(ctx context.Context, opt Options) error {
	ms, err := sqldb.Migrations(opt.Migrations)
	if err != nil {
		return err
	}
	var have int
	if err := db.scan(ctx, "PRAGMA user_version", &have); err != nil {
		return err
	}
	switch {
	case have > len(ms):
		return fmt.Errorf("%w: its schema is number %d and this program knows up to %d; run the newer program, or put back the backup %s if there is one", sqldb.ErrNewer, have, len(ms), filepath.Base(db.backupPath(len(ms))))
	case have == len(ms):
		return nil
	case have > 0:
		if err := db.backup(ctx, db.backupPath(have)); err != nil {
			return fmt.Errorf("back up before migrating: %w", err)
		}
	}
	// Rebuilding a table needs the checks off while it goes on (SQLite's
	// documentation, "Making Other Kinds Of Table Schema Changes"). The pragma
	// does nothing inside a transaction.
	if _, err := db.writer.Exec(ctx, "PRAGMA foreign_keys=OFF"); err != nil {
		return err
	}
	for i, m := range ms[have:] {
		if err := db.apply(ctx, m, have+i+1); err != nil {
			return fmt.Errorf("migration %s: %w", m.Name, err)
		}
		db.log.Info().Str("file", db.path).Str("migration", m.Name).Msg("migrated")
	}
	if !opt.Unchecked {
		_, err = db.writer.Exec(ctx, "PRAGMA foreign_keys=ON")
	}
	return err
}

func (db *DB) apply(ctx context.Context, m sqldb.Migration, number int) (err error) {
	if _, err := db.writer.Exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, (transactor{db.writer}).Rollback(ctx))
		}
	}()
	// Not through the statement cache: it is run once and may be long.
	if _, err := db.writer.c.ExecContext(ctx, m.SQL); err != nil {
		return classify(err)
	}
	var table string
	switch err := db.scan(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`, &table); {
	case err == nil:
		return fmt.Errorf("table %s refers to rows that are not there: %w", table, sqldb.ErrConstraint)
	case !errors.Is(err, sqldb.ErrNoRows):
		return err
	}
	if _, err := db.writer.c.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version=%d", number)); err != nil {
		return classify(err)
	}
	_, err = db.writer.Exec(ctx, "COMMIT")
	return err
}

func (db *DB) backupPath(version int) string {
	return fmt.Sprintf("%s.v%d.bak", db.path, version)
}

// backup writes a copy of the database to path, whole or not at all. It replaces
// an older one, of an attempt that did not get through.
func (db *DB) backup(ctx context.Context, path string) error {
	tmp := path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// VACUUM INTO takes an empty file that exists; so it is private.
	if err := create(tmp); err != nil {
		return err
	}
	if _, err := db.writer.c.ExecContext(ctx, "VACUUM INTO ?", tmp); err != nil {
		return errors.Join(classify(err), os.Remove(tmp))
	}
	if err := errors.Join(durable.Sync(tmp), os.Rename(tmp, path)); err != nil {
		return err
	}
	db.log.Info().Str("file", path).Msg("backup before migrating")
	return durable.SyncDir(filepath.Dir(path))
}
