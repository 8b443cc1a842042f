package sqlite

import (
	"context"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/porticod/portico/pkg/sqldb"
)

// classify adds the sentinel that err stands for. Errors that are none of the
// driver's pass as they are.
func classify(err error) error {
	var de *driver.Error
	if err == nil || !errors.As(err, &de) {
		return err
	}
	var kind error
	switch code := de.Code(); {
	case code == lib.SQLITE_CONSTRAINT_UNIQUE, code == lib.SQLITE_CONSTRAINT_PRIMARYKEY, code == lib.SQLITE_CONSTRAINT_ROWID:
		kind = sqldb.ErrUnique
	case code == lib.SQLITE_IOERR_SHMSIZE:
		kind = sqldb.ErrFull // the only way to fail there: growing a file
	default:
		kind = primary(code & 0xff)
	}
	if kind == nil || errors.Is(err, kind) {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

func primary(code int) error {
	switch code {
	case lib.SQLITE_FULL:
		return sqldb.ErrFull
	case lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return sqldb.ErrIO
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return sqldb.ErrCorrupt
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return sqldb.ErrBusy
	case lib.SQLITE_CONSTRAINT:
		return sqldb.ErrConstraint
	case lib.SQLITE_INTERRUPT:
		return context.Canceled
	}
	return nil
}
