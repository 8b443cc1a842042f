package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/porticod/portico/pkg/sqldb"
)

// maxStmts bounds the prepared statements that a connection keeps. A statement
// takes some 5 KB; no service has more texts than this, unless it builds them.
const maxStmts = 200

// conn is one connection with its prepared statements. One goroutine uses it at
// a time.
type conn struct {
	c     *sql.Conn
	stmts map[string]*stmt
	open  map[*rows]struct{} // not closed yet
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
	return &conn{c: c, stmts: map[string]*stmt{}, open: map[*rows]struct{}{}, trace: trace}, nil
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

// Exec implements sqldb.Conn.
func (c *conn) Exec(ctx context.Context, query string, args ...any) (sqldb.Result, error) {
	s, release, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	defer release()
	res, err := s.s.ExecContext(ctx, args...)
	return res, classify(err)
}

// Query implements sqldb.Conn.
func (c *conn) Query(ctx context.Context, query string, args ...any) (sqldb.Rows, error) {
	s, release, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	found, err := s.s.QueryContext(ctx, args...)
	if err != nil {
		release()
		return nil, classify(err)
	}
	r := &rows{rows: found}
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

// rows is the answer to a query, as sqldb.Rows.
type rows struct {
	rows    *sql.Rows
	release func()
}

func (r *rows) Next() bool { return r.rows.Next() }

func (r *rows) Scan(dest ...any) error {
	if err := r.rows.Scan(dest...); err != nil {
		return fmt.Errorf("scan: %w", classify(err))
	}
	return nil
}

func (r *rows) Err() error { return classify(r.rows.Err()) }

func (r *rows) Close() error {
	err := classify(r.rows.Close())
	if r.release != nil {
		r.release()
		r.release = nil
	}
	return err
}
