// Package sqldb is what stores need of an SQL database, whichever keeps it:
// writes of many callers in one commit, reads of one state, and errors to branch
// on. It opens nothing: package sqlite and package postgres do.
package sqldb

import (
	"context"
)

// A DB is an open database. Its methods may be called concurrently. The caller
// closes it.
type DB interface {
	// Write runs fn in a transaction and returns after its commit is durable, or
	// with an error and nothing stored. Requests of concurrent callers share a
	// commit, in the order in which they came; each has a savepoint of its own, so
	// that an error or a panic of fn undoes only what fn did. Where a statement
	// failed fn returns; an engine may undo what goes on after it. There is one writer
	// at a time over the whole database, whoever has it open: what fn reads stays
	// so until its commit. fn should do nothing but SQL, and must not call Write or
	// Read.
	//
	// Where too much waits, or its turn does not come in time, Write returns
	// ErrBusy; where ctx ends before its turn, the error of ctx. Once fn has
	// started, Write returns what became of it, whatever happens to ctx. ErrAway
	// after that means that nothing is known of what was stored.
	Write(ctx context.Context, fn func(tx *Tx) error) error
	// Read runs fn where it cannot write. All that fn reads is one state of the
	// database: that of its first query, with every commit that was acknowledged
	// before. It holds up neither the writer nor other readers. Where no connection
	// becomes free in time it returns ErrBusy; when ctx ends, also amid a query, the
	// error of ctx. fn must not call Write or Read.
	Read(ctx context.Context, fn func(q Queryer) error) error
	// Scrub makes sure that what was deleted is not in the files any more, as far
	// as the engine can say; ErrBusy: not now.
	Scrub(ctx context.Context) error
	// Dialect says where texts have to differ.
	Dialect() Dialect
	Stats() Stats
	// Check reports the error of the last commit, nil where it went well, so that
	// a service can tell that it stores nothing at present.
	Check() error
	// Close ends the database: requests that wait are still written, readers may
	// finish, new ones get ErrClosed. It may be called more than once.
	Close() error
}

// Dialect is an engine's kind of SQL. Parameters are ? or ?1, ?2 and so on in
// both.
type Dialect uint8

// The engines.
const (
	SQLite Dialect = iota + 1
	Postgres
)

func (d Dialect) String() string {
	if d == Postgres {
		return "postgres"
	}
	return "sqlite"
}

// Pick returns the text for an engine.
func (d Dialect) Pick(sqlite, postgres string) string {
	if d == Postgres {
		return postgres
	}
	return sqlite
}

// Stats are counts since the database was opened.
type Stats struct {
	Writes  int64 // requests that were stored
	Commits int64 // transactions of the writer, failed ones too
	Reads   int64
	Queued  int // requests that wait or are being written, now
	Readers int // reading connections that are open, now
}

// A Queryer reads. It is good only within the function that it was passed to,
// for one goroutine at a time.
type Queryer interface {
	// Query runs a statement that returns rows. The caller closes them; Read
	// and Write close what is left open.
	Query(query string, args ...any) (Rows, error)
	// QueryRow runs a statement that returns at most one row. Its error
	// comes with Scan.
	QueryRow(query string, args ...any) *Row
	// Dialect is that of the database.
	Dialect() Dialect
}

// Rows is the answer to a Query. Use it as database/sql's.
type Rows interface {
	// Next moves to the next row and reports whether there is one.
	Next() bool
	// Scan copies the columns of the row into dest.
	Scan(dest ...any) error
	// Err is the error that ended Next, nil at the end of the rows.
	Err() error
	// Close ends the query. It may be called more than once.
	Close() error
}

// Row is the answer to a QueryRow.
type Row struct {
	rows Rows
	err  error
}

// Scan copies the columns of the row into dest. Without a row it returns an
// error that matches ErrNoRows.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.rows.Close()
}

// Result is what a statement without rows did.
type Result interface{ RowsAffected() (int64, error) }

// A Conn is what an engine runs statements on.
type Conn interface {
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	Exec(ctx context.Context, query string, args ...any) (Result, error)
}

// A View is the Queryer of a Read, on a connection that is in a transaction.
type View struct {
	ctx     context.Context
	conn    Conn
	dialect Dialect
}

// NewView returns a Queryer for the statements of one function.
func NewView(ctx context.Context, conn Conn, d Dialect) *View { return &View{ctx, conn, d} }

// Query implements Queryer.
func (v *View) Query(query string, args ...any) (Rows, error) {
	return v.conn.Query(v.ctx, query, args...)
}

// QueryRow implements Queryer.
func (v *View) QueryRow(query string, args ...any) *Row {
	rows, err := v.conn.Query(v.ctx, query, args...)
	return &Row{rows: rows, err: err}
}

// Dialect implements Queryer.
func (v *View) Dialect() Dialect { return v.dialect }

// A Tx is a request's view of the writing transaction. It is good only within
// the function that it was passed to, for that goroutine.
type Tx struct {
	View
	turn   int64
	before func(tx *Tx) error
	after  []func()
}

// Turn tells transactions apart: requests that share one have the same, no others
// of the same DB have. From the first request of a turn to its last nobody else
// writes.
func (tx *Tx) Turn() int64 { return tx.turn }

// BeforeCommit has fn run as the last of the transaction, after all its requests:
// only that of the last request which asked for it and was kept. Its error undoes
// them all.
func (tx *Tx) BeforeCommit(fn func(tx *Tx) error) { tx.before = fn }

// Exec runs a statement that returns no rows.
func (tx *Tx) Exec(query string, args ...any) (Result, error) {
	return tx.conn.Exec(tx.ctx, query, args...)
}

// AfterCommit has fn called once the transaction is durable, before Write
// returns, and not at all where it is rolled back. The calls are made by the
// writer's goroutine in the order of the commits, so what fn publishes is in
// order. fn must not block and must not write to the database.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }
