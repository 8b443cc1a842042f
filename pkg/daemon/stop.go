package daemon

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/porticod/portico/pkg/listen"
)

// The pace of Stop.
const (
	// idleGrace is how long a keep-alive connection that was idle at the
	// signal may take to be used once more, and so to learn that it ends.
	idleGrace = 300 * time.Millisecond
	// lateGrace is how long WebSockets, streams and polls that came during the
	// stop may take to end while others are served still.
	lateGrace = 300 * time.Millisecond
	// lastCall is how long requests that were accepted last may take, beyond the
	// drain time, and lastWord what is no request. New clients wait meanwhile.
	lastCall = 2 * time.Second
	lastWord = 100 * time.Millisecond
	// pollEvery is how often Stop looks whether something ended.
	pollEvery = 5 * time.Millisecond
)

// Stop brings everything to its end and accepts last: while old requests
// finish, new ones are served, each on a connection that ends with it, so
// nobody is refused and nobody waits for the slowest. Connections that can be
// frozen go on meanwhile, and then wait for the next process. ctx cuts it short.
// What was still running when the drain time was over is cut and reported.
func (d *Daemon) Stop(ctx context.Context) error {
	begun := time.Now()
	d.mu.Lock()
	if d.stopped {
		d.mu.Unlock()
		return nil
	}
	d.stopped = true
	cfg := d.cfg
	d.mu.Unlock()
	if cfg == nil {
		return nil
	}
	d.stopping.Store(true)
	ctx, cancel := context.WithDeadline(ctx, begun.Add(cfg.Drain))
	defer cancel()
	d.thawing.end(ctx)
	hand := d.beginFreezing()
	for _, in := range d.services {
		in.askTracked(closeServiceRestart, hand.spares(in))
	}

	err := waitFor(ctx, func() bool { return d.old(begun) == 0 })
	_ = waitFor(ctx, func() bool { return time.Since(begun) > idleGrace || d.idleConnections(begun) == 0 })
	if err != nil {
		for _, in := range d.services {
			in.cut(begun)
		}
	}
	d.endLate(hand)
	hand.run(freezeTime)
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), lastCall)
	defer cancelLast()
	closePackets(last, slices.Collect(maps.Values(d.packetServers)))
	closed := time.Now()
	d.letGo()
	d.accepting.Wait()
	for _, in := range d.services {
		in.hurry(hand.spares(in))
	}
	for _, l := range d.listeners {
		err = errors.Join(err, l.port.Close(last))
	}
	hand.run(freezeAgain)
	hand.end()
	for _, in := range d.services {
		d.retiring.Go(func() { in.retire(in.beginRetire(), closeServiceRestart, lastWord) })
	}
	if d.unguard != nil {
		d.unguard()
	}
	d.retiring.Wait()
	d.closeTLS()
	d.log.Info().Dur("took_ms", time.Since(begun)).Dur("not_accepting_ms", time.Since(closed)).Msg("stopped")
	return err
}

// endLate asks what came during the stop and cannot be frozen to end while
// accepting goes on, so that hardly anybody has to be waited for afterwards.
func (d *Daemon) endLate(hand *freezing) {
	for _, in := range d.services {
		in.askTracked(closeServiceRestart, hand.spares(in))
	}
	ctx, cancel := context.WithTimeout(context.Background(), lateGrace)
	defer cancel()
	_ = waitFor(ctx, func() bool {
		n := 0
		for _, in := range d.services {
			n += in.asked()
		}
		return n == 0
	})
}

// letGo stops accepting. A socket that the service manager holds too stays open
// there: who connects from now on waits for the next process.
func (d *Daemon) letGo() {
	var held, others []*listen.Socket
	for _, s := range d.bound {
		if s.Held() {
			held = append(held, s)
		} else {
			others = append(others, s)
		}
	}
	d.closeSockets(others) // first, because it takes a moment
	for _, s := range held {
		if err := s.Release(); err != nil {
			d.log.Warn().Err(err).Stringer("address", s.Address()).Msg("letting go of the socket failed")
		}
	}
}

// Busy counts requests and raw connections in progress, and long-lived
// connections.
func (d *Daemon) Busy() (calls, connections int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, in := range d.services {
		c, t := in.load()
		calls, connections = calls+c, connections+t
	}
	return calls, connections
}

// old is the number of calls that began before t and of long-lived connections
// that were asked to end, which go on.
func (d *Daemon) old(t time.Time) (n int) {
	for _, in := range d.services {
		n += in.since(t)
	}
	return n
}

func (d *Daemon) idleConnections(since time.Time) (n int) {
	for _, l := range d.listeners {
		n += l.port.Idle(since)
	}
	return n
}

// waitFor waits until done or the end of ctx, whose error it returns.
func waitFor(ctx context.Context, done func() bool) error {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	return nil
}
