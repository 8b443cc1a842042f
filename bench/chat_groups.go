package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// A groupLoad is one sender in a group of receivers.
type groupLoad struct{ receivers, lines int }

// groupLoads are those of the form: in the short one the largest group comes once.
func groupLoads(short bool) []groupLoad {
	if short {
		return []groupLoad{{1, 64}, {100, 64}, {1000, 16}, {5000, 4}}
	}
	return []groupLoad{{1, 64}, {100, 64}, {1000, 16}, {5000, 16}, {5000, 4}, {5000, 1}}
}

// A groupResult is what the rounds of one load measured: as fast as everybody
// keeps up, then at half of that.
type groupResult struct {
	rate, use, perCPU                    series
	pacedRate, pacedP50, pacedP99, paced series
}

// measureDeliveries has one sender in a group of receivers: first as fast as
// everybody keeps up, then at half of that.
func (c *chatBench) measureDeliveries(ctx context.Context, r *report) error {
	t := newTable("receivers of a group", "messages a frame", "deliveries a second", "server CPU s a second", "deliveries for each CPU second",
		"at half of that: deliveries a second", "p50, ms, send to receive", "p99, ms", "server CPU s a second")
	perCPU := &chart{title: "Deliveries for each second of server CPU", marks: []mark{{500_000, "aim"}}}
	for _, l := range groupLoads(c.short) {
		g, err := c.deliver(l)
		if err != nil {
			return fmt.Errorf("%d receivers: %w", l.receivers, firstOf(context.Cause(ctx), err))
		}
		t.add(fmt.Sprint(l.receivers), fmt.Sprint(l.lines), g.rate.String(), g.use.String(), g.perCPU.String(), g.pacedRate.String(), g.pacedP50.String(), g.pacedP99.String(), g.paced.String())
		about := fmt.Sprintf("%s, %s a frame", plural(l.receivers, "receiver"), plural(l.lines, "message"))
		perCPU.add("", about, g.perCPU, false)
		if l.receivers >= 100 {
			r.reach("chat-deliveries", about, g.perCPU)
		}
	}
	r.table(t)
	r.plot("deliveries", perCPU)
	return nil
}

// A group is a conversation with its sender and receivers, who follow it.
type group struct {
	conv     string
	from     *chatSocket
	crowd    *crowd
	sockets  []*chatSocket
	unfollow func()
	sent     int
}

// gather makes a group and connects its receivers; person 0 sends.
func (c *chatBench) gather(receivers int, name string) (*group, error) {
	return c.gatherAt(receivers, name, func(int) *chatBench { return c })
}

// gatherAt is that with receivers at other nodes of the chat.
func (c *chatBench) gatherAt(receivers int, name string, at func(i int) *chatBench) (g *group, err error) {
	members := min(receivers, len(c.names)-1)
	g = &group{sockets: make([]*chatSocket, receivers)}
	g.conv, err = c.create(0, map[string]any{"kind": "group", "cid": name, "title": "bench", "members": c.names[1 : members+1]})
	if err != nil {
		return nil, err
	}
	var dials errgroup.Group
	dials.SetLimit(64)
	for i := range g.sockets {
		dials.Go(func() (err error) {
			g.sockets[i], err = at(i).dial(1 + i%members)
			return err
		})
	}
	if err := dials.Wait(); err != nil {
		closeAll(slices.DeleteFunc(g.sockets, func(s *chatSocket) bool { return s == nil }))
		return nil, err
	}
	if g.from, err = c.dial(0); err != nil {
		return nil, err
	}
	if g.crowd, err = newCrowd(webSocket, g.sockets); err != nil {
		return nil, err
	}
	g.unfollow, err = g.crowd.follow()
	return g, err
}

func (g *group) close() {
	g.unfollow()
	closeAll(append(g.sockets, g.from))
}

// round sends one frame and waits until everybody has it.
func (g *group) round(lines int) error {
	_ = g.from.conn.SetDeadline(time.Now().Add(chatTimeout))
	if err := g.from.write(messages(g.conv, fmt.Sprintf("%s-%d", g.conv, g.sent), lines, time.Now())); err != nil {
		return err
	}
	g.sent += lines
	if err := g.from.acks(lines); err != nil {
		return err
	}
	return g.crowd.await(int64(g.sent * len(g.sockets)))
}

// roundsFor sends frame after frame for a while.
func (g *group) roundsFor(d time.Duration, lines int) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := g.round(lines); err != nil {
			return err
		}
	}
	return nil
}

func (c *chatBench) deliver(l groupLoad) (res groupResult, err error) {
	g, err := c.gather(l.receivers, fmt.Sprintf("g%d-%d", l.receivers, l.lines))
	if err != nil {
		return res, err
	}
	defer g.close()
	for range c.rounds {
		before := g.sent
		took, cpu, err := measured(c.pid(), func() error { return g.roundsFor(c.each, l.lines) })
		if err != nil {
			return res, err
		}
		n := float64((g.sent - before) * l.receivers)
		res.rate, res.use, res.perCPU = append(res.rate, n/took.Seconds()), append(res.use, cpu.Seconds()/took.Seconds()), append(res.perCPU, n/cpu.Seconds())
	}
	go g.from.ignore()
	g.crowd.timing.Store(true)
	pace := res.rate.median() / 2 / float64(l.receivers)
	for range c.rounds {
		before := g.sent
		took, cpu, err := measured(c.pid(), func() error {
			if err := g.pace(c.each, l.lines, pace); err != nil {
				return err
			}
			return g.crowd.await(int64(g.sent * l.receivers))
		})
		if err != nil {
			return res, err
		}
		n := float64((g.sent - before) * l.receivers)
		res.pacedRate, res.paced = append(res.pacedRate, n/took.Seconds()), append(res.paced, cpu.Seconds()/took.Seconds())
		times := g.crowd.takeTimes()
		res.pacedP50, res.pacedP99 = append(res.pacedP50, percentile(times, .5)), append(res.pacedP99, percentile(times, .99))
	}
	return res, nil
}

// pace sends frames of so many lines, so many messages a second, and waits for
// nothing.
func (g *group) pace(d time.Duration, lines int, perSecond float64) error {
	begun, start := time.Now(), g.sent
	for time.Since(begun) < d {
		time.Sleep(time.Duration(float64(g.sent-start+lines)/perSecond*float64(time.Second)) - time.Since(begun))
		_ = g.from.conn.SetDeadline(time.Now().Add(chatTimeout))
		if err := g.from.write(messages(g.conv, fmt.Sprintf("paced-%s-%d", g.conv, g.sent), lines, time.Now())); err != nil {
			return err
		}
		g.sent += lines
	}
	return nil
}

// ignore takes what comes, so that the chat need not wait.
func (s *chatSocket) ignore() {
	for {
		if _, err := s.read(); err != nil {
			return
		}
	}
}
