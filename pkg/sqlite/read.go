package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
)

// readers is a pool of connections that cannot write. They are opened when
// needed, and closed when nobody needed them for a while.
type readers struct {
	db    *sql.DB
	slots chan struct{} // one for each connection in use
	done  chan struct{} // closed by close
	idle  time.Duration
	trace func(query string)

	mu     sync.Mutex
	open   int         // guarded by mu; connections in use and free
	free   []free      // guarded by mu; the most recently used last
	timer  *time.Timer // guarded by mu; nil while free is empty
	closed bool        // guarded by mu
}

type free struct {
	c     *conn
	since time.Time
}

// get waits for a connection until ctx ends.
func (p *readers) get(ctx context.Context) (*conn, error) {
	select {
	case p.slots <- struct{}{}:
	case <-p.done:
		return nil, sqldb.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	closed := p.closed
	if n := len(p.free); n > 0 && !closed {
		c := p.free[n-1].c
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	if closed {
		<-p.slots
		return nil, sqldb.ErrClosed
	}
	// Opening is not cut short by the caller's ctx: it takes a millisecond.
	c, err := newConn(context.WithoutCancel(ctx), p.db, p.trace)
	if err != nil {
		<-p.slots
		return nil, err
	}
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	return c, nil
}

// connections is how many are open.
func (p *readers) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// put gives a connection back; a broken one is closed.
func (p *readers) put(c *conn, broken bool) {
	defer func() { <-p.slots }()
	p.mu.Lock()
	if broken || p.closed {
		p.open--
		p.mu.Unlock()
		_ = c.close()
		return
	}
	p.free = append(p.free, free{c, time.Now()})
	if p.timer == nil {
		p.timer = time.AfterFunc(p.idle, p.reap)
	}
	p.mu.Unlock()
}

// reap closes the connections that were idle for long, and comes again while
// there are others.
func (p *readers) reap() {
	p.mu.Lock()
	n := 0
	for n < len(p.free) && time.Since(p.free[n].since) >= p.idle {
		n++
	}
	old := p.free[:n:n]
	p.free = append([]free(nil), p.free[n:]...)
	p.open -= n
	p.timer = nil
	if len(p.free) > 0 {
		p.timer = time.AfterFunc(p.idle, p.reap)
	}
	p.mu.Unlock()
	for _, f := range old {
		_ = f.c.close()
	}
}

// close waits for the connections in use, then closes all.
func (p *readers) close() error {
	p.mu.Lock()
	p.closed = true
	close(p.done)
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	for range cap(p.slots) {
		p.slots <- struct{}{} // never given back: get finds none
	}
	var errs []error
	for _, f := range p.free {
		errs = append(errs, f.c.close())
	}
	p.open -= len(p.free)
	p.free = nil
	return errors.Join(append(errs, p.db.Close())...)
}

// Read implements sqldb.DB. While fn runs the log on disk cannot shrink, so it
// should be short.
func (db *DB) Read(ctx context.Context, fn func(q sqldb.Queryer) error) error {
	wait, cancel := context.WithTimeoutCause(ctx, db.wait, sqldb.ErrBusy)
	defer cancel()
	c, err := db.readers.get(wait)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	broken := true
	defer func() { db.readers.put(c, broken) }()
	if _, err := c.Exec(context.Background(), "BEGIN"); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	db.reads.Add(1)
	err = sqldb.Protect(func() error { return fn(sqldb.NewView(ctx, c, sqldb.SQLite)) })
	c.closeRows()
	sqldb.LogPanic(db.log, err)
	if _, rerr := c.Exec(context.Background(), "ROLLBACK"); rerr == nil || noTransaction(rerr) {
		broken = false
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return fmt.Errorf("read: %w", ctx.Err()) // an interrupted query
	}
	return err
}
