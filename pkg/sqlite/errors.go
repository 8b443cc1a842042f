package sqlite

import (
	"context"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// The errors that callers branch on, matched with errors.Is.
var (
	// ErrFull: no room on the disk, or none within the quota. Nothing of the
	// request was stored.
	ErrFull = errors.New("no space left on the disk")
	// ErrIO: the disk failed. Nothing was acknowledged; what a failed commit
	// held may or may not be there after a restart.
	ErrIO = errors.New("the disk failed")
	// ErrCorrupt: the file is not a database or is damaged.
	ErrCorrupt = errors.New("the database is damaged")
	// ErrBusy: too much is queued, or no connection became free in time.
	// Nothing was done.
	ErrBusy = errors.New("the database is busy")
	// ErrClosed: the database was closed. Nothing was done.
	ErrClosed = errors.New("the database is closed")
	// ErrNewer: the file was written by a newer program.
	ErrNewer = errors.New("written by a newer version")
	// ErrNoRows: QueryRow found nothing.
	ErrNoRows = errors.New("no rows")
	// ErrUnique: a row with this key is there already.
	ErrUnique = errors.New("already there")
	// ErrConstraint: another constraint of the schema was broken.
	ErrConstraint = errors.New("constraint broken")
)

// A PanicError is what Write and Read return where their function panicked. The
// panic is a mistake in the program; its work was rolled back.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

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
		kind = ErrUnique
	case code == lib.SQLITE_IOERR_SHMSIZE:
		kind = ErrFull // the only way to fail there: growing a file
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
		return ErrFull
	case lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return ErrIO
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return ErrCorrupt
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return ErrBusy
	case lib.SQLITE_CONSTRAINT:
		return ErrConstraint
	case lib.SQLITE_INTERRUPT:
		return context.Canceled
	}
	return nil
}
