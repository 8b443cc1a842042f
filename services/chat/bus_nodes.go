package chat

import (
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/bus"
)

const (
	// reorderTime is how long a notice waits for one before it, of another node:
	// longer than it takes to come over a network.
	reorderTime = 250 * time.Millisecond

	// Bounds of what waits so.
	maxReorder      = 4096
	maxReorderBytes = 8 << 20
)

// nodeBus is the bus of several nodes that write one log: it hands notices of this
// node to its own subscribers at once and to other nodes over a wire, and brings
// those of all nodes into order.
type nodeBus struct {
	local    *localBus
	wire     bus.Bus
	log      zerolog.Logger
	topic    string
	position func() int64 // of who subscribes
	out      *busQueue    // to other nodes
	stops    []func()
}

func newNodeBus(wire bus.Bus, topic string, log zerolog.Logger, position func() int64) *nodeBus {
	b := &nodeBus{local: newLocalBus(), wire: wire, topic: topic, log: log, position: position, out: newBusQueue()}
	go b.out.run(b.send)
	b.stops = []func(){b.out.end, wire.Subscribe(topic, b.receive)}
	return b
}

// Publish implements Bus.
func (b *nodeBus) Publish(n Notice) {
	b.local.Publish(n)
	if !n.Here && b.wire.Others() {
		b.out.put(n)
	}
}

// send is called in the queue's goroutine: encoding does not hold up the writer.
func (b *nodeBus) send(ns []Notice) {
	messages, err := encodeNotices(ns)
	if err != nil {
		b.log.Error().Err(err).Msg("other nodes are not told; they will find out")
	}
	for _, m := range messages {
		b.wire.Publish(b.topic, m)
	}
}

func (b *nodeBus) receive(batch [][]byte) {
	for _, data := range batch {
		ns, err := decodeNotices(data)
		if err != nil {
			b.log.Debug().Err(err).Msg("word of another node was not understood") // what it says is in the store
		}
		for _, n := range ns {
			b.local.Publish(n)
		}
	}
}

// Subscribe implements Bus. There may be one subscriber.
func (b *nodeBus) Subscribe(fn func([]Notice)) (stop func()) {
	o := &reorder{hand: fn, position: b.position, patience: func() time.Duration {
		if b.wire.Healthy() {
			return reorderTime
		}
		return 0
	}, wake: func() { b.local.Publish(Notice{Here: true}) }}
	stopLocal := b.local.Subscribe(o.take)
	return sync.OnceFunc(func() {
		for _, stop := range b.stops {
			stop()
		}
		stopLocal()
	})
}

// A reorder hands on notices in the order of the log. One that is ahead waits for
// those before it; what does not come in time is left to who reads the store.
type reorder struct {
	hand     func([]Notice)
	position func() int64         // up to where events were handed out
	patience func() time.Duration // how long to wait
	wake     func()               // has take called, from any goroutine

	at    int64
	held  []Notice // ascending
	bytes int
	since time.Time // when the first of held came, or the last was passed
	armed bool      // wake will be called
}

// take is called by one goroutine at a time. Empty notices only wake it.
func (o *reorder) take(ns []Notice) {
	var out []Notice
	o.at = max(o.at, o.position())
	for _, n := range ns {
		switch {
		case n.Signal != nil:
			out = append(out, n)
		case n.Cursor == 0:
			o.armed = false
		case n.Cursor <= o.at: // known
		case n.Prev <= o.at:
			out = o.pass(out, n)
			out = o.passHeld(out)
		default:
			o.hold(n)
		}
	}
	out = o.passHeld(out)
	if len(o.held) > 0 {
		left := o.patience() - time.Since(o.since)
		switch {
		case left <= 0 || len(o.held) > maxReorder || o.bytes > maxReorderBytes:
			for _, n := range o.held {
				out = o.pass(out, n)
			}
			o.held, o.bytes = nil, 0
		case !o.armed:
			o.armed = true
			time.AfterFunc(left, o.wake)
		}
	}
	if len(out) > 0 {
		o.hand(out)
	}
}

// pass adds n to what is handed on. Where the events are not there, only the gap is
// handed on, so that they are read.
func (o *reorder) pass(out []Notice, n Notice) []Notice {
	if n.Cursor <= o.at {
		return out
	}
	if n.Bare {
		n.Prev = n.Cursor
	}
	o.at = n.Cursor
	return append(out, n)
}

func (o *reorder) passHeld(out []Notice) []Notice {
	for len(o.held) > 0 && o.held[0].Prev <= o.at {
		o.bytes -= o.held[0].size()
		out = o.pass(out, o.held[0])
		o.held, o.since = o.held[1:], time.Now()
	}
	return out
}

func (o *reorder) hold(n Notice) {
	if len(o.held) == 0 {
		o.since = time.Now()
	}
	i, _ := slices.BinarySearchFunc(o.held, n, func(a, b Notice) int { return int(min(max(a.Cursor-b.Cursor, -1), 1)) })
	o.held = slices.Insert(o.held, i, n)
	o.bytes += n.size()
}
