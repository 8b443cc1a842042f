package sqlstore

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/sqldb"
)

const (
	lookEvery = time.Second     // for what other nodes did, where the bus said nothing
	lookTime  = 5 * time.Second // of one look
	lookPage  = 500             // changes read at a time

	messages = ".messages" // what follows the topic of changes in that of messages
)

// A feed tells changes, those of this node and of others, once each and in the
// order of the log. Where other nodes can have the database open it looks for what
// they did: when the bus wakes it, every second, and in every transaction that
// adds a change of this node, which then comes after theirs.
//
// The log keeps the last of a kind: of a change of another node that was replaced
// before it was seen, only the later one is told.
type feed struct {
	db     sqldb.DB
	log    zerolog.Logger
	bus    bus.Bus // nil: none
	topic  string
	shared bool // other nodes can have the database open

	mu     sync.Mutex
	notify func(account.Change) // guarded by mu
	told   int64                // guarded by mu; the position of the last change that was told

	// Of the writer's goroutine: what the transaction that is under way found.
	turn  int64
	found news

	deaf   func()             // ends the hearing of other nodes; nil: nobody hears
	cancel context.CancelFunc // nil: not started, or nobody to look for
	done   chan struct{}
}

// init is called once, before all others.
func (f *feed) init(db sqldb.DB, opt Options, topic string) {
	f.db, f.log, f.bus, f.topic = db, opt.Log, opt.Bus, topic
	f.shared = db.Dialect() == sqldb.Postgres
	f.notify = func(account.Change) {}
}

// start sets whom changes are told to, and begins to look for those of others.
func (f *feed) start(notify func(account.Change)) {
	f.mu.Lock()
	f.notify = notify
	f.mu.Unlock()
	if !f.shared || f.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel, f.done = cancel, make(chan struct{})
	go f.follow(ctx)
}

// stop ends the looking, and waits until it has ended.
func (f *feed) stop() {
	if f.deaf != nil {
		f.deaf()
	}
	if f.cancel != nil {
		f.cancel()
		<-f.done
	}
}

// send gives a message to the other nodes.
func (f *feed) send(data []byte) {
	if f.shared && f.bus != nil {
		f.bus.Publish(f.topic+messages, data)
	}
}

// hear has fn called with what other nodes send.
func (f *feed) hear(fn func([]byte)) {
	if !f.shared || f.bus == nil {
		return
	}
	f.deaf = f.bus.Subscribe(f.topic+messages, func(batch [][]byte) {
		for _, data := range batch {
			fn(data)
		}
	})
}

// follow looks for changes of other nodes until ctx ends.
func (f *feed) follow(ctx context.Context) {
	defer close(f.done)
	wake := make(chan struct{}, 1)
	if f.bus != nil {
		defer f.bus.Subscribe(f.topic, func([][]byte) {
			select {
			case wake <- struct{}{}:
			default: // it looks anyway
			}
		})()
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failed := false
	for {
		err := f.look(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failed {
			f.log.Warn().Err(err).Msg("what other nodes changed of accounts is not seen; sessions that they ended go on here until it is")
		}
		if err == nil && failed {
			f.log.Info().Msg("what other nodes changed of accounts is seen again")
		}
		failed = err != nil
		select {
		case <-wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// look tells what is in the log and was not told.
func (f *feed) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	for {
		var n news
		err := f.db.Read(ctx, func(q sqldb.Queryer) (err error) {
			n, err = f.read(q, lookPage)
			return err
		})
		if err != nil {
			return err
		}
		f.tell(n)
		if len(n.changes) < lookPage {
			return nil
		}
	}
}

// news is what the log has after a position.
type news struct {
	after   int64
	last    int64 // the last position that was given
	changes []account.Change
}

func (f *feed) read(q sqldb.Queryer, limit int) (n news, err error) {
	f.mu.Lock()
	n.after = f.told
	f.mu.Unlock()
	if n.last, err = number(q, lastChange); err != nil || n.last <= n.after {
		return n, err
	}
	n.changes, err = changes(q, n.after, limit)
	return n, err
}

// missed is what other nodes did that was not told here. In a transaction that
// writes they can do no more until it ends, so it is read once. It is little,
// because they are looked for all the time.
func (f *feed) missed(tx *sqldb.Tx) (news, error) {
	if !f.shared || f.turn == tx.Turn() {
		return f.found, nil
	}
	n, err := f.read(tx, 1e9)
	if err == nil {
		f.turn, f.found = tx.Turn(), n
	}
	return n, err
}

// made tells a change of this node, after what others did before it.
func (f *feed) made(before news, c account.Change) {
	f.tell(before)
	f.tell(news{changes: []account.Change{c}})
	if f.bus != nil {
		f.bus.Publish(f.topic, []byte("changed"))
	}
}

// tell tells what was not told yet. It may be called with the same change twice:
// by the transaction that made it and by who looks.
func (f *feed) tell(n news) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.last < n.after && f.told == n.after {
		// A standby that had not got everything took over.
		f.told = n.last
		f.notify(account.Change{Kind: account.Lost})
	}
	for _, c := range n.changes {
		if c.Seq > f.told {
			f.told = c.Seq
			f.notify(c)
		}
	}
}
