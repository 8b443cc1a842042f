package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	queueLen  = 1024                  // requests that may wait; more wait for a place
	batchLen  = 256                   // requests in one commit
	batchTime = 50 * time.Millisecond // after this no more requests join a commit
)

// A Tx is a request's view of the writing transaction. It is good only within
// the function that it was passed to, for that goroutine.
type Tx struct {
	snapshot
	after []func()
}

// Exec runs a statement that returns no rows.
func (tx *Tx) Exec(query string, args ...any) (sql.Result, error) {
	return tx.c.exec(tx.ctx, query, args...)
}

// AfterCommit has fn called once the transaction is on disk, before Write
// returns, and not at all where it is rolled back. The calls are made by the
// writer's goroutine in the order of the commits, so what fn publishes is in
// order. fn must not block and must not write to the database.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// request is one call of Write. state decides who owns it: the caller may
// abandon it until the writer starts with it.
type request struct {
	fn    func(tx *Tx) error
	state atomic.Int32
	done  chan struct{} // closed when err is final
	err   error         // written by the writer before done
	after []func()
}

const (
	waiting int32 = iota
	started
	abandoned
)

// queue is what waits for the writer. Its length is bounded by slots.
type queue struct {
	slots chan struct{} // one for each request that is queued or being written
	wake  chan struct{}

	mu      sync.Mutex
	pending []*request // guarded by mu
	closed  bool       // guarded by mu
}

func newQueue() *queue {
	return &queue{slots: make(chan struct{}, queueLen), wake: make(chan struct{}, 1)}
}

func (q *queue) put(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.pending = append(q.pending, r)
	q.signal()
	return nil
}

// signal wakes the writer. The channel holds one, so that no wake-up is lost.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next waits for requests and takes up to batchLen of them. It returns none
// only when the queue is closed and empty.
func (q *queue) next() []*request {
	for {
		q.mu.Lock()
		n := min(len(q.pending), batchLen)
		batch := q.pending[:n:n]
		q.pending = q.pending[n:]
		if len(q.pending) == 0 {
			q.pending = nil // lets the array go
		}
		closed := q.closed
		q.mu.Unlock()
		if n > 0 || closed {
			return batch
		}
		<-q.wake
	}
}

// unget puts requests back to the front.
func (q *queue) unget(rs []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending = append(rs, q.pending...)
	q.signal()
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// Write runs fn in a transaction and returns after its commit was synced to
// disk, or with an error and nothing stored. Requests of concurrent callers
// share a commit, in the order in which they came; each has a savepoint of its
// own, so that an error or a panic of fn undoes only what fn did. fn runs in the
// writer's goroutine, one at a time over the whole database: it should do
// nothing but SQL, and must not call Write or Read.
//
// At most 1,024 requests wait. Beyond that, and where its turn does not come in
// time (Options.Wait, 10 s by default), Write returns ErrBusy; where ctx ends
// before its turn, the error of ctx. Once fn has started, Write returns what
// became of it, whatever happens to ctx.
func (db *DB) Write(ctx context.Context, fn func(tx *Tx) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, db.wait, ErrBusy)
	defer cancel()
	select {
	case db.queue.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("write: %w", context.Cause(ctx))
	}
	r := &request{fn: fn, done: make(chan struct{})}
	if err := db.queue.put(r); err != nil {
		<-db.queue.slots
		return fmt.Errorf("write: %w", err)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, abandoned) {
			return fmt.Errorf("write: %w", context.Cause(ctx))
		}
		<-r.done
	}
	return r.err
}

// writeLoop is the writer's goroutine; it alone uses db.writer.
func (db *DB) writeLoop() {
	for {
		batch := db.queue.next()
		if len(batch) == 0 {
			close(db.writerDone)
			return
		}
		db.writeBatch(batch)
	}
}

// errGoexit: what t.FailNow does in a test, called in a request.
var errGoexit = errors.New("a request ended the writer's goroutine")

// writeBatch runs the requests in one transaction and answers them.
func (db *DB) writeBatch(batch []*request) {
	returned := false
	defer func() {
		if !returned { // the goroutine ends; another goes on
			db.answer(batch, errors.Join(errGoexit, db.rollback(context.Background())))
			go db.writeLoop()
		}
	}()
	ran, err := db.runBatch(batch)
	returned = true
	db.note(outcome(batch[:ran], err))
	db.answer(batch[:ran], err)
	if ran < len(batch) {
		db.queue.unget(batch[ran:])
	}
}

// answer tells the requests what became of them; err undid them all.
func (db *DB) answer(batch []*request, err error) {
	for _, r := range batch {
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("write: %w", err)
		}
		if r.err == nil {
			db.stats.writes.Add(1)
			db.runAfter(r)
		}
	}
	for _, r := range batch {
		<-db.queue.slots
		close(r.done)
	}
}

// outcome is what a batch tells about the disk: nil where something was stored,
// else the error of the disk, else errUnknown.
func outcome(batch []*request, err error) error {
	if err != nil {
		return err
	}
	out := errUnknown
	for _, r := range batch {
		switch {
		case errors.Is(r.err, ErrFull), errors.Is(r.err, ErrIO), errors.Is(r.err, ErrCorrupt):
			return r.err
		case r.err == nil:
			out = nil
		}
	}
	return out
}

// runBatch returns how many requests it ran, and the error that undid them all.
// The others did not join because time was up.
//
// After a failed commit SQLite has taken nothing of it over: its frames in the
// log lie behind the last valid one and the next commit overwrites them. So the
// writer rolls back, reports, and goes on with the next batch.
func (db *DB) runBatch(batch []*request) (ran int, err error) {
	ctx := context.Background() // a commit belongs to many; none may cancel it
	if _, err := db.writer.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		for _, r := range batch {
			r.state.CompareAndSwap(waiting, started)
		}
		return len(batch), err
	}
	start, good := time.Now(), 0
	for ran < len(batch) && (ran == 0 || time.Since(start) < batchTime) {
		r := batch[ran]
		ran++
		if !r.state.CompareAndSwap(waiting, started) {
			r.err = context.Canceled // nobody reads it
			continue
		}
		if err := db.runOne(ctx, r); err != nil {
			return ran, errors.Join(err, db.rollback(ctx))
		}
		if r.err == nil {
			good++
		}
	}
	if good == 0 {
		return ran, db.rollback(ctx)
	}
	db.stats.commits.Add(1)
	if _, err := db.writer.exec(ctx, "COMMIT"); err != nil {
		return ran, errors.Join(err, db.rollback(ctx))
	}
	return ran, nil
}

// runOne runs one request in its savepoint. Its own error goes to r.err; the
// one that it returns means that the transaction as a whole is lost.
func (db *DB) runOne(ctx context.Context, r *request) error {
	if _, err := db.writer.exec(ctx, "SAVEPOINT request"); err != nil {
		return err
	}
	tx := &Tx{snapshot: snapshot{ctx: ctx, c: db.writer}}
	r.err = protect(func() error { return r.fn(tx) })
	db.writer.closeRows()
	if r.err != nil {
		db.logPanic(r.err)
		if _, err := db.writer.exec(ctx, "ROLLBACK TO request"); err != nil {
			// SQLite rolls everything back by itself after some errors of
			// the disk: then the savepoint is gone, and with it the others' work.
			return errors.Join(r.err, err)
		}
	} else {
		r.after = tx.after
	}
	_, err := db.writer.exec(ctx, "RELEASE request")
	return err
}

// rollback ends the transaction, unless SQLite has done so already.
func (db *DB) rollback(ctx context.Context) error {
	if _, err := db.writer.exec(ctx, "ROLLBACK"); err != nil && !noTransaction(err) {
		return err
	}
	return nil
}

func (db *DB) runAfter(r *request) {
	for _, fn := range r.after {
		db.logPanic(protect(func() error { fn(); return nil }))
	}
}
