package sqldb

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// The errors that callers branch on, matched with errors.Is.
var (
	// ErrFull: no room on the disk, or none within the quota. Nothing of the
	// request was stored.
	ErrFull = errors.New("no space left on the disk")
	// ErrIO: the disk failed. Nothing was acknowledged; what a failed commit
	// held may or may not be there after a restart.
	ErrIO = errors.New("the disk failed")
	// ErrAway: the database server cannot be reached, or the connection to it
	// ended amid a request. Nothing was acknowledged; a commit that was under way
	// may have been stored.
	ErrAway error = awayError("the database server is away")
	// ErrCorrupt: the file is not a database or is damaged.
	ErrCorrupt = errors.New("the database is damaged")
	// ErrBusy: too much is queued, or no connection became free in time.
	// Nothing was done.
	ErrBusy = errors.New("the database is busy")
	// ErrClosed: the database was closed. Nothing was done.
	ErrClosed = errors.New("the database is closed")
	// ErrNewer: the database was written by a newer program.
	ErrNewer = errors.New("written by a newer version")
	// ErrNoRows: QueryRow found nothing.
	ErrNoRows = errors.New("no rows")
	// ErrUnique: a row with this key is there already.
	ErrUnique = errors.New("already there")
	// ErrConstraint: another constraint of the schema was broken.
	ErrConstraint = errors.New("constraint broken")
)

// An awayError says that something is away and will be back.
type awayError string

func (e awayError) Error() string { return string(e) }

// Away is what who opened something that needs the database looks for: it can be
// opened later.
func (awayError) Away() bool { return true }

// Temporary reports whether trying again later may mend err.
func Temporary(err error) bool {
	for _, t := range []error{ErrBusy, ErrClosed, ErrIO, ErrAway} {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// A PanicError is what Write and Read return where their function panicked. The
// panic is a mistake in the program; its work was rolled back.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Protect calls fn and turns a panic into an error.
func Protect(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return fn()
}
