package photos

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/services/photos/store"
)

const (
	mailEvery = 300 * time.Millisecond // others are looked for, and told
	mailTime  = 5 * time.Second        // of one look
	mailPage  = 100                    // rows of one look

	// Bounds of what goes into a row, and of what waits for it.
	maxMail        = 256
	maxMailBytes   = 256 << 10
	maxMailWaiting = 4096
)

// A mailbox is the bus of nodes that share a database and have no other bus: what
// one says lies in the database for a while, and the others look there. There may
// be one subscriber, and one topic.
type mailbox struct {
	store store.Store
	node  string
	log   zerolog.Logger
	away  atomic.Bool

	sent, received, tooLarge, unsent, unheard atomic.Uint64

	mu    sync.Mutex
	out   []json.RawMessage // guarded by mu
	queue *bus.Queue        // of the subscriber; nil: nobody; guarded by mu
}

var _ bus.Bus = (*mailbox)(nil)

// newMailbox returns one that works while run does.
func newMailbox(st store.Store, node string, log zerolog.Logger) *mailbox {
	return &mailbox{store: st, node: node, log: log}
}

// Publish implements bus.Bus.
func (m *mailbox) Publish(_ string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case len(data) > maxMailBytes:
		m.tooLarge.Add(1)
	case len(m.out) >= maxMailWaiting:
		m.unsent.Add(1)
	default:
		m.out = append(m.out, data)
	}
}

// Subscribe implements bus.Bus.
func (m *mailbox) Subscribe(_ string, fn func(batch [][]byte)) (stop func()) {
	q := bus.NewQueue(fn)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue = q
	return func() {
		m.mu.Lock()
		m.queue = nil
		m.mu.Unlock()
		q.Stop()
	}
}

// Others implements bus.Bus.
func (m *mailbox) Others() bool { return true }

// Healthy implements bus.Bus.
func (m *mailbox) Healthy() bool { return !m.away.Load() }

// Stats implements bus.Bus.
func (m *mailbox) Stats() bus.Stats {
	return bus.Stats{
		Sent: m.sent.Load(), Received: m.received.Load(),
		TooLarge: m.tooLarge.Load(), Unsent: m.unsent.Load(), Unheard: m.unheard.Load(),
	}
}

// run carries messages until ctx ends; then it sends what waits.
func (m *mailbox) run(ctx context.Context) {
	tick := time.NewTicker(mailEvery)
	defer tick.Stop()
	at := int64(-1)
	for {
		at = m.look(ctx, at)
		select {
		case <-tick.C:
			m.tell(ctx)
		case <-ctx.Done():
			m.tell(context.WithoutCancel(ctx))
			return
		}
	}
}

// tell stores some of what waits. What cannot be stored is lost.
func (m *mailbox) tell(ctx context.Context) {
	some := m.waiting()
	if len(some) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, mailTime)
	defer cancel()
	data, err := json.Marshal(some)
	if err == nil {
		err = m.store.Tell(ctx, m.node, data)
	}
	if err != nil {
		m.unsent.Add(uint64(len(some)))
		m.log.Debug().Err(err).Msg("other nodes are not told")
		return
	}
	m.sent.Add(uint64(len(some)))
}

// waiting takes as much of what waits as goes into a row.
func (m *mailbox) waiting() []json.RawMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, size := 0, 0
	for n < len(m.out) && n < maxMail && size+len(m.out[n]) <= maxMailBytes {
		size += len(m.out[n])
		n++
	}
	some := m.out[:n:n]
	if m.out = m.out[n:]; len(m.out) == 0 {
		m.out = nil // lets the array go
	}
	return some
}

// look hands on what others told after a position, and returns the next one.
func (m *mailbox) look(ctx context.Context, at int64) int64 {
	ctx, cancel := context.WithTimeout(ctx, mailTime)
	defer cancel()
	for {
		rows, last, err := m.store.Hear(ctx, m.node, at, mailPage)
		if err != nil {
			if !errors.Is(err, context.Canceled) && !m.away.Swap(true) {
				m.log.Warn().Err(err).Msg("what other nodes tell is not heard; it is tried again")
			}
			return at
		}
		for _, row := range rows {
			m.hand(row)
		}
		if at = last; len(rows) < mailPage {
			m.away.Store(false)
			return at
		}
	}
}

// hand gives the messages of a row to the subscriber.
func (m *mailbox) hand(row []byte) {
	var messages []json.RawMessage
	if err := json.Unmarshal(row, &messages); err != nil {
		m.unheard.Add(1) // of a program that says it otherwise
		return
	}
	m.mu.Lock()
	q := m.queue
	m.mu.Unlock()
	for _, data := range messages {
		if q != nil && q.Put(data) {
			m.received.Add(1)
		} else {
			m.unheard.Add(1)
		}
	}
}
