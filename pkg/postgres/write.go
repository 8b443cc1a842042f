package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/porticod/portico/pkg/sqldb"
)

const (
	// batchLen is the most requests in one commit. PostgreSQL keeps the
	// subtransactions of 64 savepoints at hand, no more.
	batchLen = 60
	// transactionTime bounds a transaction, with the wait for its turn.
	transactionTime = 20 * time.Second

	// begin says what the server may do otherwise by default. With another
	// isolation the state that is seen would be that from before the lock.
	begin     = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
	savepoint = "SAVEPOINT request"
)

// transactor is the writer's connection, as a sqldb.Group uses it. Where the
// connection breaks, the next transaction has a new one.
type transactor struct {
	*conn   // nil: none
	config  *pgx.ConnConfig
	texts   *texts
	lock    string // takes the lock that all writers of the schema share
	ctx     context.Context
	cancel  context.CancelFunc
	touched bool  // something was sent since Begin
	failed  error // of a statement since the last savepoint or its end

	warned *pgconn.Notice // the last warning of the server; nil: there was none
}

// newTransactor returns the writer of a schema, that connects with config, which it
// owns, when it is needed.
func newTransactor(config *pgx.ConnConfig, texts *texts, schema string) *transactor {
	t := &transactor{config: config, texts: texts, lock: fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", lockKey(schema))}
	config.RuntimeParams["idle_in_transaction_session_timeout"] = writerIdle
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { // called while an answer is read
		if n.SeverityUnlocalized == "WARNING" {
			t.warned = n
		}
	}
	return t
}

var _ sqldb.Transactor = (*transactor)(nil)

// Begin connects where there is no connection. The transaction begins with the
// first statement: until then it is of nobody's concern.
func (t *transactor) Begin(context.Context) error {
	ctx, cancel := context.WithTimeout(context.Background(), transactionTime)
	if t.conn == nil || t.c.IsClosed() {
		c, err := connect(ctx, t.config)
		if err != nil {
			cancel()
			return err
		}
		t.conn = &conn{c: c, texts: t.texts}
	}
	t.ctx, t.cancel, t.touched, t.failed = ctx, cancel, false, nil
	t.later = []string{begin, t.lock}
	t.renew = func(ctx context.Context) (*pgx.Conn, error) { return connect(ctx, t.config) }
	return nil
}

// Exec implements sqldb.Conn. The transaction has a deadline of its own.
func (t *transactor) Exec(_ context.Context, query string, args ...any) (sqldb.Result, error) {
	t.touched = true
	res, err := t.conn.Exec(t.ctx, query, args...)
	return res, t.note(err)
}

// Query implements sqldb.Conn.
func (t *transactor) Query(_ context.Context, query string, args ...any) (sqldb.Rows, error) {
	t.touched = true
	rows, err := t.conn.Query(t.ctx, query, args...)
	return rows, t.note(err)
}

// note keeps the error after which the server takes nothing more until the
// savepoint was rolled back.
func (t *transactor) note(err error) error {
	if err != nil && t.failed == nil && (t.c.IsClosed() || t.c.PgConn().TxStatus() != 'T') {
		t.failed = err
	}
	return err
}

// Failed implements sqldb.Transactor.
func (t *transactor) Failed() error {
	if t.failed == nil {
		return nil
	}
	return fmt.Errorf("a statement failed before: %w", t.failed)
}

func (t *transactor) Savepoint(context.Context) error {
	t.failed = nil
	t.defers(savepoint)
	return nil
}

func (t *transactor) Release(context.Context) error {
	if !t.unsend() {
		t.defers("RELEASE request")
	}
	return nil
}

func (t *transactor) RollbackTo(context.Context) error {
	if t.unsend() {
		return nil
	}
	t.failed = nil
	return t.simple(t.ctx, "ROLLBACK TO request; RELEASE request")
}

// unsend takes the savepoint back, where nothing was done since.
func (t *transactor) unsend() bool {
	if n := len(t.later); n > 0 && t.later[n-1] == savepoint {
		t.later = slices.Delete(t.later, n-1, n)
		return true
	}
	return false
}

func (t *transactor) Commit(ctx context.Context) error {
	if !t.touched {
		return t.Rollback(ctx)
	}
	t.warned = nil
	said, err := t.last(t.ctx, "COMMIT")
	t.end()
	switch {
	case err != nil:
		return err
	case said.String() != "COMMIT": // what the server does after an error
		return fmt.Errorf("commit: the server answered %s", said)
	case t.warned != nil: // somebody ended the wait for the standby: it may not have it
		return fmt.Errorf("%w: commit: %s", sqldb.ErrAway, t.warned.Message)
	}
	return nil
}

// Rollback ends the connection with the transaction where it cannot be ended
// otherwise.
func (t *transactor) Rollback(context.Context) error {
	defer t.end()
	if t.conn == nil || !t.touched || t.c.IsClosed() || t.c.PgConn().TxStatus() == 'I' {
		return nil
	}
	t.later = nil
	if err := t.simple(t.ctx, "ROLLBACK"); err != nil {
		t.close()
	}
	return nil
}

func (t *transactor) end() {
	if t.conn != nil {
		t.later, t.renew = nil, nil
	}
	if t.cancel != nil {
		t.cancel()
	}
}

func (t *transactor) CloseRows() {}

// Probe fails where the server does not take changes: a standby takes none.
func (t *transactor) Probe(tx *sqldb.Tx) error {
	var standby bool
	if err := tx.QueryRow("SELECT pg_is_in_recovery()").Scan(&standby); err != nil {
		return err
	}
	if standby {
		return fmt.Errorf("%w: it is a standby", sqldb.ErrAway)
	}
	return nil
}

// close ends the connection.
func (t *transactor) close() {
	if t.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = t.c.Close(ctx)
	t.conn = nil
}
