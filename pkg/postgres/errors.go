package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/porticod/portico/pkg/sqldb"
)

// classify adds the sentinel that err stands for. Errors that are none of the
// server's or of the way to it pass as they are.
func classify(err error) error {
	err = inBrief(err)
	kind := kindOf(err)
	if kind == nil || errors.Is(err, kind) {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// isPooler says that a pooler answers: one that does not know what a connection asks
// for at its beginning, where PostgreSQL would name another code, or one that gives a
// connection another's session, whose prepared statements nobody here has made.
func isPooler(pe *pgconn.PgError) bool {
	switch pe.Code {
	case "08P01": // protocol_violation
		return strings.Contains(pe.Message, "startup parameter")
	case "42P05", "26000": // duplicate_prepared_statement, invalid_sql_statement_name
		return true
	}
	return false
}

func kindOf(err error) error {
	var pe *pgconn.PgError
	var ne net.Error
	var ce *pgconn.ConnectError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pe) && isPooler(pe):
		return errPooler
	case errors.As(err, &pe):
		return kindOfCode(pe.Code)
	case errors.Is(err, context.Canceled):
		return nil // the caller's
	case pgconn.SafeToRetry(err):
		return sqldb.ErrAway // the connection broke before
	case errors.As(err, &ce), errors.As(err, &ne), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, errConnClosed):
		return sqldb.ErrAway
	}
	return nil
}

// errConnClosed is for a connection that broke before.
var errConnClosed = errors.New("the connection to the database server ended")

// kindOfCode knows the SQLSTATEs of PostgreSQL's documentation, appendix A.
func kindOfCode(code string) error {
	switch code {
	case "23505": // unique_violation
		return sqldb.ErrUnique
	case "53100": // disk_full
		return sqldb.ErrFull
	case "53300", "57P01", "57P02", "57P03", "57P05", "25006", "25P03", "25P04":
		// too_many_connections, admin_shutdown, crash_shutdown,
		// cannot_connect_now, idle_session_timeout, read_only_sql_transaction (a
		// standby), idle_in_transaction_session_timeout, transaction_timeout
		return sqldb.ErrAway
	case "55P03", "57014", "40001", "40P01": // lock_not_available, query_canceled, serialization_failure, deadlock_detected
		return sqldb.ErrBusy
	}
	switch code[:min(2, len(code))] {
	case "23": // integrity constraint violation
		return sqldb.ErrConstraint
	case "08": // connection exception
		return sqldb.ErrAway
	case "58": // system error
		return sqldb.ErrIO
	case "XX": // internal error, data or index corrupted
		return sqldb.ErrCorrupt
	}
	return nil
}
