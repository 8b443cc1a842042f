package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
)

// maxStmts bounds the prepared statements that a connection keeps. A statement
// takes some 5 KB; no service has more texts than this, unless it builds them.
const maxStmts = 200

// conn is one connection with its prepared statements. One goroutine uses it at
// a time.
type conn struct {
	c     *sql.Conn
	stmts map[string]*stmt
	open  map[*Rows]struct{} // not closed yet
	trace func(query string) // nil: nobody asks
}

type stmt struct {
	s     *sql.Stmt
	inUse bool // rows of it are open
}

func newConn(ctx context.Context, db *sql.DB, trace func(string)) (*conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, classify(err)
	}
	return &conn{c: c, stmts: map[string]*stmt{}, open: map[*Rows]struct{}{}, trace: trace}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

// prepare returns the statement for query, marked as in use. Where the one that
// is kept is in use (a loop inside a loop), the caller gets one that is closed
// after use.
func (c *conn) prepare(ctx context.Context, query string) (*stmt, func(), error) {
	if s, ok := c.stmts[query]; ok && !s.inUse {
		s.inUse = true
		return s, func() { s.inUse = false }, nil
	}
	if c.trace != nil {
		c.trace(query)
	}
	ps, err := c.c.PrepareContext(ctx, query)
	if err != nil {
		return nil, nil, classify(err)
	}
	s := &stmt{s: ps, inUse: true}
	if _, taken := c.stmts[query]; taken || !c.makeRoom() {
		return s, func() { _ = ps.Close() }, nil
	}
	c.stmts[query] = s
	return s, func() { s.inUse = false }, nil
}

// makeRoom drops a statement, any one that is not in use, where the map is full.
func (c *conn) makeRoom() bool {
	if len(c.stmts) < maxStmts {
		return true
	}
	for query, s := range c.stmts {
		if !s.inUse {
			_ = s.s.Close()
			delete(c.stmts, query)
			return true
		}
	}
	return false
}

func (c *conn) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, release, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	defer release()
	res, err := s.s.ExecContext(ctx, args...)
	return res, classify(err)
}

func (c *conn) query(ctx context.Context, query string, args ...any) (*Rows, error) {
	s, release, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.s.QueryContext(ctx, args...)
	if err != nil {
		release()
		return nil, classify(err)
	}
	r := &Rows{rows: rows}
	r.release = func() { delete(c.open, r); release() }
	c.open[r] = struct{}{}
	return r, nil
}

// closeRows closes what a function forgot to close; open rows would keep the
// transaction from ending.
func (c *conn) closeRows() {
	for r := range c.open {
		_ = r.Close()
	}
}

// protect calls fn and turns a panic into an error.
func protect(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return fn()
}

// A Queryer reads. It is good only within the function that it was passed to,
// for one goroutine at a time.
type Queryer interface {
	// Query runs a statement that returns rows. The caller closes them; Read
	// and Write close what is left open.
	Query(query string, args ...any) (*Rows, error)
	// QueryRow runs a statement that returns at most one row. Its error
	// comes with Scan.
	QueryRow(query string, args ...any) *Row
}

// Rows is the answer to a Query. Use it as database/sql's.
type Rows struct {
	rows    *sql.Rows
	release func()
}

// Next moves to the next row and reports whether there is one.
func (r *Rows) Next() bool { return r.rows.Next() }

// Scan copies the columns of the row into dest.
func (r *Rows) Scan(dest ...any) error {
	if err := r.rows.Scan(dest...); err != nil {
		return fmt.Errorf("scan: %w", classify(err))
	}
	return nil
}

// Err is the error that ended Next, nil at the end of the rows.
func (r *Rows) Err() error { return classify(r.rows.Err()) }

// Close ends the query. It may be called more than once.
func (r *Rows) Close() error {
	err := classify(r.rows.Close())
	if r.release != nil {
		r.release()
		r.release = nil
	}
	return err
}

// Row is the answer to a QueryRow.
type Row struct {
	rows *Rows
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

// snapshot is the Queryer of a Read.
type snapshot struct {
	ctx context.Context
	c   *conn
}

func (s *snapshot) Query(query string, args ...any) (*Rows, error) {
	return s.c.query(s.ctx, query, args...)
}

func (s *snapshot) QueryRow(query string, args ...any) *Row {
	rows, err := s.c.query(s.ctx, query, args...)
	return &Row{rows: rows, err: err}
}
