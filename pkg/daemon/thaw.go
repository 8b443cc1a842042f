package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/service"
)

// thawing is what is done with the connections that the process before froze,
// beside everything else.
type thawing struct {
	inboxes []*os.File
	ctx     context.Context
	stop    context.CancelFunc
	done    chan struct{} // closed when it came to its end
	begun   bool          // guarded by Daemon.mu
}

func newThawing(inboxes []*os.File) *thawing {
	// The oldest first, whatever order they came in: their names begin with the
	// time. Who waited through several restarts shall not wait for ever.
	slices.SortStableFunc(inboxes, func(a, b *os.File) int { return strings.Compare(a.Name(), b.Name()) })
	t := &thawing{inboxes: inboxes, done: make(chan struct{})}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// beginThawing starts it, once. d.mu is held.
func (d *Daemon) beginThawing() {
	t := d.thawing
	if t.begun {
		return
	}
	t.begun = true
	go func() {
		defer close(t.done)
		d.thaw(t)
	}()
}

// end stops it and waits until it has, or until ctx ends. What was not read stays
// in the store, for the next process. d.mu is not held, and nobody begins any more.
func (t *thawing) end(ctx context.Context) {
	t.stop()
	if !t.begun {
		return
	}
	select {
	case <-t.done:
	case <-ctx.Done():
	}
}

// thaw reads the inboxes to their end, and has them dropped then.
func (d *Daemon) thaw(t *thawing) {
	on, lost, begun := 0, 0, time.Now()
	for _, inbox := range t.inboxes {
		err := error(nil)
		for err == nil && t.ctx.Err() == nil {
			var p parcel
			if p, err = receive(inbox); err != nil {
				break
			}
			more, missing := d.unpack(p)
			on, lost = on+more, lost+missing
		}
		_ = inbox.Close()
		if t.ctx.Err() != nil {
			continue // the next process goes on
		}
		if !errors.Is(err, io.EOF) {
			d.log.Error().Err(err).Msg("connections of the process before are lost")
		}
		if d.store == nil {
			continue
		}
		if err := d.store.Drop(inbox.Name()); err != nil {
			d.log.Warn().Err(err).Msg("what held connections stays in the service manager")
		}
	}
	if on+lost > 0 {
		d.log.Info().Int("connections", on).Int("lost", lost).Dur("took_ms", time.Since(begun)).Msg("connections of the process before go on")
	}
}

// unpack goes on with the connections of a parcel, and returns with how many. The
// others, which are lost, are told farewell, if they came.
func (d *Daemon) unpack(p parcel) (on, lost int) {
	if p.torn != nil {
		d.log.Error().Err(p.torn).Int("connections", len(p.conns)).Msg("connections of the process before are lost")
	}
	age := time.Duration(monotonic() - p.letter.At)
	for i, c := range p.conns {
		if c == nil {
			continue
		}
		var f frozen
		if i < len(p.letter.Conns) {
			f = p.letter.Conns[i]
		}
		if err := d.thawOne(c, f, p.letter.Version, age); err != nil {
			d.log.Debug().Err(err).Stringer("service", service.Ref{Kind: f.Kind, Name: f.Name}).Msg("a connection does not go on")
			continue
		}
		d.thawed.WithLabelValues(thawedOn).Inc()
		on++
	}
	lost = max(len(p.conns), len(p.letter.Conns)) - on
	d.thawed.WithLabelValues(thawedLost).Add(float64(lost))
	return on, lost
}

// thawOne goes on with a connection, or says farewell and closes it.
func (d *Daemon) thawOne(c net.Conn, f frozen, version int, age time.Duration) error {
	var in *instance
	var err error
	switch {
	case version != frozenVersion:
		err = fmt.Errorf("its letter is of version %d", version)
	case age > frozenLife:
		err = fmt.Errorf("it waited for %v", age)
	default:
		c, in, err = d.place(c, f)
	}
	if err == nil {
		err = in.thaw(c, f.Record)
	}
	if err != nil {
		tellLast(c, f.Farewell)
		_ = c.Close()
	}
	return err
}

// place finds the listener and the service that a connection belongs to, and
// puts it there. An error leaves it as it is.
func (d *Daemon) place(nc net.Conn, f frozen) (net.Conn, *instance, error) {
	ref := service.Ref{Kind: f.Kind, Name: f.Name}
	d.mu.Lock()
	in, l := d.services[ref], d.listeners[f.Listener]
	d.mu.Unlock()
	switch {
	case in == nil:
		return nc, nil, fmt.Errorf("there is no service %s any more", ref)
	case l == nil:
		return nc, nil, fmt.Errorf("there is no listener %q any more", f.Listener)
	}
	c, err := l.port.Adopt(nc, mux.Adopted{Remote: remoteOf(f.Peer), Opened: f.Opened, Protocol: f.Protocol, Label: f.Route, Service: ref.String()})
	if err != nil {
		return nc, nil, fmt.Errorf("listener %q: %w", f.Listener, err)
	}
	return c, in, nil
}

// remoteOf is the client's address that a PROXY header named; nil: there was none.
func remoteOf(peer string) net.Addr {
	a, err := netip.ParseAddrPort(peer)
	if err != nil {
		return nil
	}
	return net.TCPAddrFromAddrPort(a)
}

// errNotThawed is of services that cannot go on with a connection.
var errNotThawed = errors.New("the service does not go on with connections of another process")

// thaw has the service go on with a connection; an error leaves it to the caller.
func (in *instance) thaw(c net.Conn, record []byte) (err error) {
	f, ok := in.service().(service.Freezer)
	if !ok {
		return errNotThawed
	}
	call := in.begin(context.Background(), func() { _ = c.Close() })
	if call == nil {
		return errNotThawed // it comes to its end
	}
	defer in.finish(call)
	defer func() {
		if p := recover(); p != nil {
			in.log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("thawing a connection panicked")
			err = fmt.Errorf("thaw a connection: panic: %v", p)
		}
	}()
	return f.Thaw(c, record)
}
