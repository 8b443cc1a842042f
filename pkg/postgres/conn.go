package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/porticod/portico/pkg/sqldb"
)

// brokenTime is how soon one finds out that a connection broke before. What takes
// longer was waited for in vain: the server cannot be reached.
const brokenTime = 3 * time.Second

// conn is one connection. One goroutine uses it at a time. A round trip may cost
// more than what it asks for: so statements without an answer wait, and travel
// with the next one that has.
type conn struct {
	c     *pgx.Conn
	texts *texts
	later []string // statements that wait

	// renew makes another connection of one that broke while nobody used it: at
	// the first statement of a transaction nothing is lost with it.
	renew func(ctx context.Context) (*pgx.Conn, error)
}

var _ sqldb.Conn = (*conn)(nil)

// defers has a statement travel with the next one.
func (c *conn) defers(text string) { c.later = append(c.later, text) }

// Exec implements sqldb.Conn.
func (c *conn) Exec(ctx context.Context, query string, args ...any) (sqldb.Result, error) {
	r, err := c.run(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return affected(r.tag.RowsAffected()), nil
}

type affected int64

// RowsAffected implements sqldb.Result.
func (n affected) RowsAffected() (int64, error) { return int64(n), nil }

// Query implements sqldb.Conn. It reads all rows at once, so that the connection
// is free for what the caller asks in between; stores bound how many there are.
func (c *conn) Query(ctx context.Context, query string, args ...any) (sqldb.Rows, error) {
	r, err := c.run(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (c *conn) run(ctx context.Context, query string, args []any) (*rows, error) {
	args, err := plain(args)
	if err != nil {
		return nil, err
	}
	query, later, renew := c.texts.of(query), c.later, c.renew
	c.later, c.renew = nil, nil
	start := time.Now()
	r, err := c.send(ctx, later, query, args)
	if renew == nil || !c.c.IsClosed() || !errors.Is(err, sqldb.ErrAway) || ctx.Err() != nil || time.Since(start) > brokenTime {
		return r, err
	}
	another, err := renew(ctx)
	if err != nil {
		return nil, err
	}
	c.c = another
	return c.send(ctx, later, query, args)
}

// send sends the statements of later and a query in one round trip.
func (c *conn) send(ctx context.Context, later []string, query string, args []any) (*rows, error) {
	if c.c.IsClosed() {
		return nil, classify(errConnClosed)
	}
	if len(later) == 0 {
		found, err := c.c.Query(ctx, query, args...)
		return collect(found, err)
	}
	var b pgx.Batch
	for _, text := range later {
		b.Queue(text)
	}
	b.Queue(query, args...)
	res := c.c.SendBatch(ctx, &b)
	for range later {
		if _, err := res.Exec(); err != nil {
			_ = res.Close() // says the same
			return nil, classify(err)
		}
	}
	found, err := res.Query()
	r, err := collect(found, err)
	if cerr := res.Close(); err == nil && cerr != nil {
		return nil, classify(cerr)
	}
	return r, err
}

// simple runs one statement without parameters, after those that wait, in one
// round trip. It is not the first of a transaction.
func (c *conn) simple(ctx context.Context, text string) error {
	_, err := c.last(ctx, text)
	return err
}

// last is simple, and returns what the server says of the statement.
func (c *conn) last(ctx context.Context, text string) (pgconn.CommandTag, error) {
	if c.c.IsClosed() {
		return pgconn.CommandTag{}, classify(errConnClosed)
	}
	for _, earlier := range slices.Backward(c.later) {
		text = earlier + "; " + text
	}
	c.later = nil
	all, err := c.c.PgConn().Exec(ctx, text).ReadAll()
	if err != nil || len(all) == 0 {
		return pgconn.CommandTag{}, classify(err)
	}
	return all[len(all)-1].CommandTag, nil
}

// rows is an answer that was read.
type rows struct {
	all  [][]any
	next int
	tag  pgconn.CommandTag
}

func collect(found pgx.Rows, err error) (*rows, error) {
	if err != nil {
		return nil, classify(err)
	}
	r := &rows{}
	for found.Next() {
		values, err := found.Values()
		if err != nil {
			found.Close()
			return nil, classify(err)
		}
		r.all = append(r.all, values)
	}
	r.tag = found.CommandTag()
	return r, classify(found.Err())
}

// Next implements sqldb.Rows.
func (r *rows) Next() bool {
	if r.next >= len(r.all) {
		r.next = len(r.all) + 1
		return false
	}
	r.next++
	return true
}

// Scan implements sqldb.Rows.
func (r *rows) Scan(dest ...any) error {
	if r.next == 0 || r.next > len(r.all) {
		return errors.New("scan: there is no row")
	}
	return assign(dest, r.all[r.next-1])
}

// Err implements sqldb.Rows.
func (r *rows) Err() error { return nil }

// Close implements sqldb.Rows.
func (r *rows) Close() error {
	r.next = len(r.all) + 1
	return nil
}
