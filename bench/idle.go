package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// trimmed is how long the daemon takes to notice that it is idle, twice its
// interval, and a moment.
const trimmed = 64 * time.Second

// An idler is a server that is to hold connections which do nothing.
type idler struct {
	name string
	peer bool
	n    int
	aim  string
	// The same with fewer connections, to tell what each takes from what a server takes
	// that has any; nil: that is not told.
	fewer *idler
	start func(ctx context.Context, b *bench, i *idler) (pid int, open func(i int) (net.Conn, error), stop func(), err error)

	spare           func() (float64, error) // KiB that it would give back; nil: none. Set by start
	pid             int
	before, full    float64 // KiB resident, with a few connections and with all
	conns           []net.Conn
	opened, settled float64 // KiB each
	cpu             float64 // ms to open one
}

// idleCount is how many connections most of them hold.
func idleCount(b *bench) int { return pick(b, 8000, 1000) }

// waves are idlers that wait together: as many as this process may have
// descriptors for.
func waves(all []*idler, limit int) (out [][]*idler) {
	room := 0
	for _, i := range all {
		if i.all() > room || len(out) == 0 {
			out, room = append(out, nil), limit
		}
		out[len(out)-1] = append(out[len(out)-1], i)
		room -= i.all()
	}
	return out
}

// all is how many connections it holds, and who is beside it.
func (i *idler) all() int {
	n := i.n + idleFirst
	if i.fewer != nil {
		n += i.fewer.all()
	}
	return n
}

// idleWaves are those of this run; some descriptors are for the rest.
func idleWaves(b *bench) [][]*idler { return waves(idlers(idleCount(b)), fileLimit()-1000) }

// idleFirst is how many connections come before those that count.
const idleFirst = 32

func idleTakes(b *bench) (sum time.Duration) {
	for _, wave := range idleWaves(b) {
		sum += trimmed
		for _, i := range wave {
			sum += 500*time.Millisecond + time.Duration(i.all())*400*time.Microsecond
		}
	}
	return sum
}

// idlers are all that hold n connections; prosody, which needs much of everything,
// a fifth, and the chat, of which the aims are, at least 4000, beside one that holds a
// third.
func idlers(n int) []*idler {
	chat := func(name string, n int, aim string, start idleStart) *idler {
		return &idler{name: name, n: n, aim: aim, start: start, fewer: &idler{name: name, n: n / 3, start: start}}
	}
	return []*idler{
		{name: "portico, keep-alive, direct", n: n, start: idleOwn("direct", dialPlain)},
		{name: "portico, keep-alive, split", n: n, start: idleOwn("split", dialPlain)},
		{name: "portico, keep-alive, TLS", n: n, start: idleOwn("direct-tls", dialTLS)},
		{name: "nginx, keep-alive", peer: true, n: n, start: idleNginx(false)},
		{name: "nginx, keep-alive, TLS", peer: true, n: n, start: idleNginx(true)},
		{name: "bare net/http, keep-alive", peer: true, n: n, start: idleBare},
		chat("portico, chat, signed in", max(n, 4000), "chat-idle", idleChat(false)),
		chat("portico, chat, signed in, TLS", max(n, 4000), "chat-idle-tls", idleChat(true)),
		{name: "prosody, signed in", peer: true, n: n / 5, start: idleProsody(false)},
		{name: "prosody, signed in, TLS", peer: true, n: n / 5, start: idleProsody(true)},
	}
}

// runIdle opens connections that had one answer and stay, to servers that do
// nothing else, and looks at their memory at once and when a minute has passed.
func runIdle(ctx context.Context, b *bench, r *report) error {
	t := newTable("idle connections", "how many", "KiB of process memory each, just connected", "a minute later", "CPU ms to connect one")
	memory := &chart{title: "Process memory of an idle connection after a minute, KiB"}
	for _, wave := range idleWaves(b) {
		if err := idleTogether(ctx, b, wave); err != nil {
			return err
		}
		for _, i := range wave {
			name := i.name
			if !i.peer {
				name = "**" + name + "**"
			}
			many := fmt.Sprint(i.n)
			if i.fewer != nil {
				many += fmt.Sprintf(", each beyond %d", i.fewer.n)
			}
			t.add(name, many, number(i.opened), number(i.settled), number(i.cpu))
			memory.add("", i.name, series{i.settled}, i.peer)
			if i.aim != "" {
				r.reach(i.aim, plural(i.n, "connection")+fmt.Sprintf(", each beyond %d", i.fewer.n), series{i.settled})
			}
		}
	}
	r.table(t)
	r.plot("memory", memory)
	return nil
}

// idleTogether measures those of a wave, which wait together.
func idleTogether(ctx context.Context, b *bench, wave []*idler) error {
	var all []*idler
	for _, i := range wave {
		if all = append(all, i); i.fewer != nil {
			all = append(all, i.fewer)
		}
	}
	for _, i := range all {
		pid, open, stop, err := i.start(ctx, b, i)
		if err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
		defer stop()
		defer i.close()
		i.pid = pid
		if err := i.fill(open); err != nil {
			return fmt.Errorf("%s: %w", i.name, firstOf(context.Cause(ctx), err))
		}
	}
	for _, i := range wave {
		if i.opened = (i.full - i.before) / float64(i.n); i.fewer != nil {
			i.opened = (i.full - i.fewer.full) / float64(i.n-i.fewer.n)
		}
	}
	say("idle: %d servers have their connections; what they give back is known after %s", len(all), trimmed)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(trimmed):
	}
	for _, i := range wave {
		i.settled = i.each(ownMemory(i.pid))
	}
	return nil
}

// each is what one connection takes where all take so many KiB.
func (i *idler) each(now float64) float64 {
	if f := i.fewer; f != nil {
		return (now - ownMemory(f.pid)) / float64(i.n-f.n)
	}
	return (now - i.before) / float64(i.n)
}

// fill opens the connections. What the first ones make once is not theirs alone.
func (i *idler) fill(open func(int) (net.Conn, error)) error {
	connect := func(n int) error {
		conns := make([]net.Conn, n)
		var g errgroup.Group
		g.SetLimit(32)
		for k := range conns {
			g.Go(func() (err error) {
				conns[k], err = open(k)
				return err
			})
		}
		err := g.Wait()
		for _, c := range conns {
			if c != nil {
				i.conns = append(i.conns, c)
			}
		}
		return err
	}
	if err := connect(idleFirst); err != nil {
		return err
	}
	if i.before = ownMemory(i.pid); i.spare != nil { // what was garbage before is nobody's
		n, err := i.spare()
		if err != nil {
			return err
		}
		i.before = ownMemory(i.pid) - n
	}
	before := cpuSeconds(i.pid)
	if err := connect(i.n); err != nil {
		return err
	}
	i.cpu = (cpuSeconds(i.pid) - before) * 1e3 / float64(i.n)
	i.full = ownMemory(i.pid)
	return nil
}

func (i *idler) close() {
	for _, c := range i.conns {
		_ = c.Close()
	}
}

func dialPlain(addr string) (net.Conn, error) { return net.DialTimeout("tcp", addr, chatTimeout) }

// asked is a connection that had one answer.
func asked(dial func(string) (net.Conn, error), addr string) func(int) (net.Conn, error) {
	return func(int) (net.Conn, error) {
		c, err := dial(addr)
		if err != nil {
			return nil, err
		}
		_ = c.SetDeadline(time.Now().Add(chatTimeout))
		_, werr := io.WriteString(c, "GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
		n, rerr := io.ReadAtLeast(c, make([]byte, 4096), len(answer))
		if n < len(answer) {
			return c, errors.Join(werr, rerr)
		}
		return c, werr
	}
}
