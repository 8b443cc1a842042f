package sqldb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	queueLen  = 1024                  // requests that may wait; more wait for a place
	batchTime = 50 * time.Millisecond // after this no more requests join a commit

	// probeEvery is how long after a failed commit another one is tried, should
	// nobody try meanwhile.
	probeEvery = time.Second
)

// A Transactor is what an engine does for a Group: one transaction after
// another, with a savepoint in it at most. One goroutine calls it.
type Transactor interface {
	Conn
	Begin(ctx context.Context) error
	Savepoint(ctx context.Context) error
	// RollbackTo undoes what was done since Savepoint, and Release keeps it. Both
	// end the savepoint; an error means that the transaction as a whole is lost.
	RollbackTo(ctx context.Context) error
	Release(ctx context.Context) error
	// Failed is the error of a statement after which nothing since Savepoint, or
	// since Release, can be kept. It is nil where there was none, or where the
	// engine lets a function pass over errors.
	Failed() error
	Commit(ctx context.Context) error
	// Rollback ends the transaction, unless the engine has done so already.
	Rollback(ctx context.Context) error
	// CloseRows closes what a function forgot to close.
	CloseRows()
	// Probe changes nothing, in a way that fails where a change would.
	Probe(tx *Tx) error
}

// GroupOptions are those of a Group.
type GroupOptions struct {
	Log     zerolog.Logger // with the database's name
	Dialect Dialect
	Batch   int           // the most requests in one commit
	Wait    time.Duration // the longest wait for one's turn
}

// A Group writes: it puts the requests of many callers into one transaction of
// its Transactor after another. At most 1,024 requests wait; more wait for a
// place.
type Group struct {
	t    Transactor
	opt  GroupOptions
	q    *queue
	done chan struct{} // closed when the writer's goroutine has ended
	turn int64         // of transactions; the writer's

	failure         atomic.Pointer[error] // of the last commit; nil: it went well
	probing         atomic.Bool           // probe will be called, or is
	writes, commits atomic.Int64
}

// NewGroup starts the writer's goroutine, which alone uses t. Close ends it.
func NewGroup(t Transactor, opt GroupOptions) *Group {
	g := &Group{t: t, opt: opt, q: newQueue(queueLen, opt.Batch), done: make(chan struct{})}
	go g.loop()
	return g
}

// Close refuses new requests, writes those that wait, and returns when that is
// done. It may be called more than once.
func (g *Group) Close() {
	g.q.close()
	<-g.done
}

// Writes is how many requests were stored, Commits how many transactions there
// were, failed ones too, and Queued how many requests wait or are being written.
func (g *Group) Writes() int64  { return g.writes.Load() }
func (g *Group) Commits() int64 { return g.commits.Load() }
func (g *Group) Queued() int    { return int(g.q.unanswered.Load()) }

// Check reports the error of the last commit, nil where it went well.
func (g *Group) Check() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Write is DB's.
func (g *Group) Write(ctx context.Context, fn func(tx *Tx) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, g.opt.Wait, ErrBusy)
	defer cancel()
	select {
	case g.q.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("write: %w", context.Cause(ctx))
	}
	r := &request{fn: fn, done: make(chan struct{})}
	if err := g.q.put(r); err != nil {
		<-g.q.slots
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

// loop is the writer's goroutine.
func (g *Group) loop() {
	for {
		batch := g.q.next()
		if len(batch) == 0 {
			close(g.done)
			return
		}
		g.write(batch)
	}
}

// errGoexit: what t.FailNow does in a test, called in a request.
var errGoexit = errors.New("a request ended the writer's goroutine")

// write runs the requests in one transaction and answers them.
func (g *Group) write(batch []*request) {
	returned := false
	defer func() {
		if !returned { // the goroutine ends; another goes on
			g.answer(batch, errors.Join(errGoexit, g.t.Rollback(context.Background())))
			go g.loop()
		}
	}()
	ran, err := g.run(&batch)
	returned = true
	g.note(outcome(batch[:ran], err))
	g.answer(batch[:ran], err)
	if ran < len(batch) {
		g.q.unget(batch[ran:])
	}
}

// answer tells the requests what became of them; err undid them all.
func (g *Group) answer(batch []*request, err error) {
	for _, r := range batch {
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("write: %w", err)
		}
		if r.err == nil {
			g.writes.Add(1)
			for _, fn := range r.after {
				g.logPanic(Protect(func() error { fn(); return nil }))
			}
		}
	}
	for _, r := range batch {
		g.q.unanswered.Add(-1)
		<-g.q.slots
		close(r.done)
	}
}

// run returns how many requests it ran, and the error that undid them all. The
// others did not join because time was up. The first statement waits for the turns
// of other nodes: what comes meanwhile joins the batch, and time begins after it.
func (g *Group) run(batch *[]*request) (ran int, err error) {
	ctx := context.Background() // a commit belongs to many; none may cancel it
	g.turn++
	if err := g.t.Begin(ctx); err != nil {
		for _, r := range *batch {
			r.state.CompareAndSwap(waiting, started)
		}
		return len(*batch), err
	}
	var start time.Time
	good := 0
	for ran < len(*batch) && (start.IsZero() || time.Since(start) < batchTime) {
		r := (*batch)[ran]
		ran++
		if !r.state.CompareAndSwap(waiting, started) {
			r.err = context.Canceled // nobody reads it
			continue
		}
		if err := g.runOne(ctx, r); err != nil {
			return ran, errors.Join(err, g.t.Rollback(ctx))
		}
		if r.err == nil {
			good++
		}
		if start.IsZero() {
			start = time.Now()
			*batch = append(*batch, g.q.more(g.opt.Batch-len(*batch))...)
		}
	}
	if good == 0 {
		return ran, g.t.Rollback(ctx)
	}
	if err := g.runLast(ctx, (*batch)[:ran]); err != nil {
		return ran, errors.Join(err, g.t.Rollback(ctx))
	}
	g.commits.Add(1)
	if err := g.t.Commit(ctx); err != nil {
		return ran, errors.Join(err, g.t.Rollback(ctx))
	}
	return ran, nil
}

// runOne runs one request in its savepoint. Its own error goes to r.err; the
// one that it returns means that the transaction as a whole is lost.
func (g *Group) runOne(ctx context.Context, r *request) error {
	if err := g.t.Savepoint(ctx); err != nil {
		return err
	}
	tx := g.tx(ctx)
	r.err = Protect(func() error { return r.fn(tx) })
	g.t.CloseRows()
	if r.err == nil {
		r.err = g.t.Failed()
	}
	if r.err != nil {
		g.logPanic(r.err)
		if err := g.t.RollbackTo(ctx); err != nil {
			return errors.Join(r.err, err)
		}
		return nil
	}
	r.before, r.after = tx.before, tx.after
	return g.t.Release(ctx)
}

// runLast runs what the last request that asked for it wants before the commit.
func (g *Group) runLast(ctx context.Context, batch []*request) error {
	for _, r := range slices.Backward(batch) {
		if r.err != nil || r.before == nil {
			continue
		}
		err := Protect(func() error { return r.before(g.tx(ctx)) })
		g.t.CloseRows()
		if err == nil {
			err = g.t.Failed()
		}
		g.logPanic(err)
		return err
	}
	return nil
}

func (g *Group) tx(ctx context.Context) *Tx {
	return &Tx{View: View{ctx: ctx, conn: g.t, dialect: g.opt.Dialect}, turn: g.turn}
}

// errUnknown: a batch stored nothing and did not try.
var errUnknown = errors.New("nothing tried")

// outcome is what a batch tells about the database: nil where something was
// stored, else its error, else errUnknown.
func outcome(batch []*request, err error) error {
	if err != nil {
		return err
	}
	out := errUnknown
	for _, r := range batch {
		switch {
		case errors.Is(r.err, ErrFull), errors.Is(r.err, ErrIO), errors.Is(r.err, ErrCorrupt), errors.Is(r.err, ErrAway):
			return r.err
		case r.err == nil:
			out = nil
		}
	}
	return out
}

// note keeps what became of a commit, and logs when it changes.
func (g *Group) note(err error) {
	if err == errUnknown {
		return
	}
	if err == nil {
		if g.failure.Swap(nil) != nil {
			g.opt.Log.Info().Msg("the database stores again")
		}
		return
	}
	if g.failure.Swap(&err) == nil {
		g.opt.Log.Error().Err(err).Msg("the database cannot store; callers get errors until it can")
		g.probeLater()
	}
}

// probeLater has probe called in a while, once.
func (g *Group) probeLater() {
	if g.probing.CompareAndSwap(false, true) {
		time.AfterFunc(probeEvery, g.probe)
	}
}

// probe finds out whether the database can store again: whoever asks Check
// before he sends work would wait for ever else.
func (g *Group) probe() {
	if g.failure.Load() != nil {
		err := g.Write(context.Background(), g.t.Probe)
		if errors.Is(err, ErrClosed) {
			return // that was the last
		}
	}
	g.probing.Store(false)
	if g.failure.Load() != nil {
		g.probeLater()
	}
}

func (g *Group) logPanic(err error) { LogPanic(g.opt.Log, err) }

// LogPanic logs a PanicError with its stack, and nothing else.
func LogPanic(log zerolog.Logger, err error) {
	var p *PanicError
	if errors.As(err, &p) {
		log.Error().Interface("panic", fmt.Sprint(p.Value)).Bytes("stack", p.Stack).Msg("a database function panicked")
	}
}
