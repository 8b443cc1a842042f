package daemon

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/service"
)

// A Store keeps descriptors for the next process: systemd's.
type Store interface {
	// Keep takes a copy; the caller's descriptor stays the caller's.
	Keep(name string, rc syscall.RawConn) error
	// Drop closes the copies with that name.
	Drop(name string) error
	// Flush returns when what was asked before is done.
	Flush() error
}

const (
	// frozenPrefix begins the names of what holds frozen connections.
	frozenPrefix = "frozen-"
	// frozenVersion is that of a letter. Who cannot read it says the farewells.
	frozenVersion = 1
	// frozenMost is how many connections travel in one message; the kernel's
	// bound for descriptors is 253, and one is that of the letter.
	frozenMost = 249
	// frozenLife is how long a connection may wait for the next process.
	// Whoever waited longer is told to come back: other things may have changed.
	frozenLife = time.Minute
	// maxLetter bounds what is read of a letter, in bytes. JSON makes 4 of 3.
	maxLetter = frozenMost * (2*service.MaxRecord + 4<<10)
	// maxFarewell bounds a farewell, in bytes.
	maxFarewell = 4 << 10

	// freezeTime is for those that are amid something: new clients are served
	// meanwhile, the frozen ones wait. A command takes as long as the disk.
	freezeTime  = time.Second
	freezeAgain = 25 * time.Millisecond // for those that came since; new clients wait meanwhile
)

// A letter is what is known of the connections that a message has with it, in
// their order. A program of another version reads the farewells, if nothing else.
type letter struct {
	Version int      `json:"v"`
	At      int64    `json:"at"` // nanoseconds of the monotonic clock
	Conns   []frozen `json:"conns"`
}

// frozen is one connection in a letter.
type frozen struct {
	Kind     string       `json:"kind"`
	Name     string       `json:"name"`
	Listener string       `json:"listener"`
	Route    string       `json:"route,omitempty"`
	Protocol mux.Protocol `json:"protocol,omitempty"`
	Peer     string       `json:"peer,omitempty"` // from a PROXY header; empty: the socket's
	Opened   time.Time    `json:"opened"`
	Farewell []byte       `json:"farewell,omitempty"`
	Record   []byte       `json:"record"`
}

// Frozen parts what the process before left in the store into connections, for
// Options.Frozen, and the rest.
func Frozen(files []*os.File) (frozen, rest []*os.File) {
	for _, f := range files {
		if strings.HasPrefix(f.Name(), frozenPrefix) {
			frozen = append(frozen, f)
		} else {
			rest = append(rest, f)
		}
	}
	return frozen, rest
}

// A freezing is what Stop does to hand connections on.
type freezing struct {
	d    *Daemon
	out  *outbox
	lost atomic.Int64 // taken out of their service, and not sent

	mu    sync.Mutex // guards the rest
	fds   []int      // of batch
	batch []frozen
	sent  int
}

// beginFreezing returns nil where nobody keeps connections, or none could be
// frozen.
func (d *Daemon) beginFreezing() *freezing {
	if d.store == nil {
		return nil
	}
	for _, in := range d.services {
		if _, ok := in.service().(service.Freezer); !ok {
			continue
		}
		out, err := newOutbox(d.store)
		if err != nil {
			d.log.Warn().Err(err).Msg("connections cannot be handed on to the next process; they are closed")
			return nil
		}
		return &freezing{d: d, out: out}
	}
	return nil
}

// spares says which of an instance's connections are not asked to end, because
// they will be frozen.
func (z *freezing) spares(in *instance) func(net.Conn) bool {
	f, ok := in.service().(service.Freezer)
	if z == nil || !ok {
		return nobody
	}
	return func(c net.Conn) bool { return c != nil && f.Freezes(c) }
}

// run freezes what can be frozen, all services at the same time, for at most
// patience.
func (z *freezing) run(patience time.Duration) {
	if z == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var wg sync.WaitGroup
	for _, in := range z.d.services {
		if f, ok := in.service().(service.Freezer); ok {
			wg.Go(func() { f.Freeze(ctx, func(c service.Frozen) { z.give(in.ref, c, cancel) }) })
		}
	}
	wg.Wait()
	z.mu.Lock()
	defer z.mu.Unlock()
	z.send(cancel)
}

// give takes a connection from its service. stop ends the freezing, where there
// is no room for more.
func (z *freezing) give(ref service.Ref, f service.Frozen, stop func()) {
	c := mux.Of(f.Conn)
	if c == nil || len(f.Record) > service.MaxRecord || len(f.Farewell) > maxFarewell {
		z.d.log.Error().Stringer("service", ref).Int("record", len(f.Record)).Msg("a service froze a connection that cannot be handed on")
		z.leave(f)
		return
	}
	fd, err := duplicate(c)
	if err != nil {
		z.d.log.Warn().Err(err).Msg("a connection cannot be handed on")
		z.leave(f)
		return
	}
	r := frozen{
		Kind: ref.Kind, Name: ref.Name, Listener: c.Listener(), Route: c.Label(), Protocol: c.Verdict().Protocol,
		Opened: c.Opened(), Farewell: f.Farewell, Record: f.Record,
	}
	if client := c.RemoteAddr(); client != c.Peer() {
		r.Peer = client.String()
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.fds, z.batch = append(z.fds, fd), append(z.batch, r)
	if len(z.batch) == frozenMost {
		z.send(stop)
	}
}

// leave tells a client farewell whose connection cannot go on.
func (z *freezing) leave(f service.Frozen) {
	z.lost.Add(1)
	tellLast(f.Conn, f.Farewell)
}

// send sends the batch. Whom there is no room for is told farewell. It needs mu.
func (z *freezing) send(stop func()) {
	if len(z.batch) == 0 {
		return
	}
	err := z.out.send(letter{Version: frozenVersion, At: monotonic(), Conns: z.batch}, z.fds)
	if err != nil {
		stop()
		z.lost.Add(int64(len(z.batch)))
		z.d.log.Warn().Err(err).Int("connections", len(z.batch)).Msg("connections cannot be handed on to the next process; they are closed")
	} else {
		z.sent += len(z.batch)
	}
	for i, fd := range z.fds {
		if err != nil {
			farewell(fd, z.batch[i].Farewell)
		}
		closeFD(fd)
	}
	z.fds, z.batch = z.fds[:0], z.batch[:0]
}

// end lets go of the outbox, which the store keeps if there is something in it.
func (z *freezing) end() {
	if z == nil {
		return
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if err := z.out.close(z.sent > 0); err != nil {
		z.d.log.Warn().Err(err).Msg("what should hold connections stays in the service manager")
	}
	if n := z.lost.Load(); z.sent > 0 || n > 0 {
		z.d.log.Info().Int("connections", z.sent).Int64("lost", n).Msg("connections wait for the next process")
	}
}
