// Package nats is the bus between machines: core NATS, without JetStream. It
// keeps nothing, and what a server that is away would have carried is lost.
package nats

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/bus"
)

const (
	dialTime  = 2 * time.Second // to connect to one server
	writeTime = 2 * time.Second // for a write to move on; then another server is tried
	pingEvery = 2 * time.Second // a server that owes two answers is gone
	drainTime = 2 * time.Second // for what waits when the bus is closed
	retryMin  = 50 * time.Millisecond
	retryMax  = 2 * time.Second
)

// A Bus is a connection to NATS. It implements bus.Bus.
type Bus struct {
	conn   *nats.Conn
	prefix string
	log    zerolog.Logger
	out    *outbox

	up    atomic.Bool   // written by the library's goroutine, which keeps the order of events
	once  sync.Once     // for first
	first chan struct{} // closed when up is true for the first time

	sent, received, tooLarge, unsent, unheard atomic.Uint64
}

var _ bus.Bus = (*Bus)(nil)

// Open connects to one of the servers. Where none answers within some seconds it
// returns nevertheless, and goes on trying for as long as the bus is open. The
// caller closes it.
func Open(t Target, log zerolog.Logger) (*Bus, error) {
	b := &Bus{prefix: "portico." + t.Cluster + ".", log: log, first: make(chan struct{})}
	opts := nats.GetDefaultOptions()
	for _, o := range b.options() {
		if err := o(&opts); err != nil {
			return nil, fmt.Errorf("connect to the bus: %w", err)
		}
	}
	opts.Servers = t.Servers
	conn, err := opts.Connect()
	if err != nil {
		return nil, fmt.Errorf("connect to the bus at %s: %w", t.Hosts(), err)
	}
	b.conn = conn
	if conn.IsConnected() {
		select {
		case <-b.first:
		case <-time.After(dialTime):
		}
	} else {
		log.Warn().Str("servers", t.Hosts()).Msg("the bus is away; nodes hear of each other late until it is back")
	}
	b.out = newOutbox(b.send)
	return b, nil
}

func (b *Bus) options() []nats.Option {
	complaints := b.log.Sample(&zerolog.BurstSampler{Burst: 3, Period: time.Minute})
	return []nats.Option{
		nats.Name("portico"),
		nats.NoEcho(),
		nats.Timeout(dialTime),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // passwords are changed on servers, too
		nats.CustomReconnectDelay(backOff),
		nats.ReconnectBufSize(-1), // what waits, waits in the outbox
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(writeTime),
		nats.ReconnectOnFlusherError(),
		nats.ConnectHandler(func(c *nats.Conn) { b.back(c) }),
		nats.ReconnectHandler(func(c *nats.Conn) { b.back(c) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if b.up.Swap(false) {
				b.log.Warn().Err(err).Msg("the bus is away; nodes hear of each other late until it is back")
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			complaints.Warn().Err(err).Msg("the bus complains")
		}),
	}
}

func (b *Bus) back(c *nats.Conn) {
	if !b.up.Swap(true) {
		b.log.Info().Str("server", c.ConnectedAddr()).Msg("the bus is there")
	}
	b.once.Do(func() { close(b.first) })
}

// backOff is the pause after all servers were tried in vain, a part of it chance,
// so that not all nodes come back at the same moment.
func backOff(attempts int) time.Duration {
	most := min(retryMin<<min(attempts, 10), retryMax)
	return most/2 + rand.N(most/2)
}

// Publish implements bus.Bus.
func (b *Bus) Publish(topic string, data []byte) {
	switch {
	case len(data) > bus.MaxMessage:
		b.tooLarge.Add(1)
	case !bus.ValidTopic(topic) || !b.out.put(b.prefix+topic, data):
		b.unsent.Add(1)
	}
}

// send hands a message to the library. It may block for as long as a write may
// take. False means that it should be tried again later.
func (b *Bus) send(m message) (done bool) {
	if !b.up.Load() {
		return false
	}
	err := b.conn.Publish(m.subject, m.data)
	switch {
	case err == nil:
		b.sent.Add(1)
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return false
	case errors.Is(err, nats.ErrMaxPayload):
		b.tooLarge.Add(1)
	default:
		b.unsent.Add(1)
	}
	return true
}

// Subscribe implements bus.Bus.
func (b *Bus) Subscribe(topic string, fn func(batch [][]byte)) (stop func()) {
	if !bus.ValidTopic(topic) {
		return func() {}
	}
	q := bus.NewQueue(fn)
	sub, err := b.conn.Subscribe(b.prefix+topic, func(m *nats.Msg) {
		if q.Put(m.Data) {
			b.received.Add(1)
		} else {
			b.unheard.Add(1)
		}
	})
	if err != nil { // closed already
		b.log.Error().Err(err).Str("topic", topic).Msg("nothing will be heard")
		return q.Stop
	}
	return sync.OnceFunc(func() {
		if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
			b.log.Warn().Err(err).Str("topic", topic).Msg("unsubscribe")
		}
		q.Stop()
	})
}

// Others implements bus.Bus.
func (b *Bus) Others() bool { return true }

// Healthy implements bus.Bus. A server that says nothing is noticed after some
// seconds.
func (b *Bus) Healthy() bool { return b.up.Load() }

// Why is what the library says of a bus that is not healthy.
func (b *Bus) Why() error {
	if err := b.conn.LastError(); err != nil {
		return err
	}
	return nats.ErrNoServers
}

// Stats implements bus.Bus.
func (b *Bus) Stats() bus.Stats {
	return bus.Stats{
		Sent: b.sent.Load(), Received: b.received.Load(),
		TooLarge: b.tooLarge.Load(), Unsent: b.unsent.Load() + b.out.late.Load(), Unheard: b.unheard.Load(),
	}
}

// Close sends what waits, for a short while, and leaves. Subscribers hear nothing
// more and stop themselves.
func (b *Bus) Close() error {
	b.out.close(drainTime)
	if b.up.Load() {
		if err := b.conn.FlushTimeout(drainTime); err != nil {
			b.log.Debug().Err(err).Msg("the last messages of the bus may be lost")
		}
	}
	b.conn.Close()
	return nil
}
