package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// growths are how much more work there is.
var growths = []int{1, 10, 100}

// A growing is one kind of work and what a unit of it costs, at every size.
type growing struct {
	what, unit string
	costs      map[int]series // by size
	peer       bool
}

func growthTakes(b *bench) time.Duration {
	return 6*time.Second + b.turns(5*len(growths)) + time.Duration(min(b.rounds, 3))*5*time.Second
}

// runGrowth measures the same work in three sizes: what a unit of it costs should
// stay as it is.
func runGrowth(ctx context.Context, b *bench, r *report) error {
	var all []growing
	for _, measure := range []func(context.Context, *bench) ([]growing, error){growConnections, growMembers, growPictures} {
		more, err := measure(ctx, b)
		if err != nil {
			return err
		}
		all = append(all, more...)
	}
	head := []string{"work", "a unit's cost"}
	for _, g := range growths {
		head = append(head, fmt.Sprintf("x %d", g))
	}
	t := newTable(append(head, "x 10 beside x 1", "x 100 beside x 1")...)
	relative := &chart{title: "Cost of a unit of work with 10 and 100 times the work, beside once", marks: []mark{{1, "linear"}}}
	for _, g := range all {
		row := []string{g.what, g.unit}
		if !g.peer {
			row[0] = "**" + g.what + "**"
		}
		for _, n := range growths {
			row = append(row, g.costs[n].String())
		}
		for _, n := range growths[1:] {
			beside := g.costs[n].beside(g.costs[1])
			row = append(row, beside.String())
			relative.add(g.what, fmt.Sprintf("x %d", n), beside, g.peer)
		}
		t.add(row...)
	}
	r.table(t)
	r.plot("cost", relative)
	r.say("Listeners: see start and reload. Idle connections: each costs the same, see there.")
	return nil
}

// growConnections drives answers and relays over 8, 80 and 800 connections.
func growConnections(ctx context.Context, b *bench) ([]growing, error) {
	f, err := startFronts(ctx, b)
	if err != nil {
		return nil, err
	}
	defer f.stop()
	runners := at(f.of("direct", "portico respond", "HAProxy tcp", "portico tcp"), "/1k")
	runners[0].name = "nginx"
	all := make([]growing, len(runners))
	for i, run := range runners {
		all[i] = growing{what: fmt.Sprintf("%s: 1 KiB over 8, 80, 800 connections", run.name), unit: "CPU µs a request", costs: map[int]series{}, peer: run.portico == nil}
	}
	for _, g := range growths {
		c, err := b.compete(ctx, fmt.Sprintf("%d connections", 8*g), drive(runners, load{conns: 8 * g}))
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, f.portico.log)
		}
		for i, run := range runners {
			all[i].costs[g] = c.cpus(run.name)
		}
	}
	return all, nil
}

// growMembers delivers to groups of 10, 100 and 1,000 people.
func growMembers(ctx context.Context, b *bench) ([]growing, error) {
	c, err := startChat(ctx, b)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	out := growing{what: "chat: groups of 10, 100, 1,000", unit: "CPU µs a delivery", costs: map[int]series{}}
	for _, n := range growths {
		t, err := c.talk(chatDuel{receivers: 10 * n, lines: 16})
		if err != nil {
			return nil, err
		}
		res, err := b.compete(ctx, fmt.Sprintf("groups of %d", 10*n), []runner{{name: "portico", portico: c.portico, measure: t.measure(c.pid(), 16)}})
		t.close()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, c.log)
		}
		out.costs[n] = res.cpus("portico")
	}
	return []growing{out}, nil
}

// growPictures asks for 1, 10 and 100 pictures at once, which nobody asked for
// before.
func growPictures(ctx context.Context, b *bench) ([]growing, error) {
	in := filepath.Join(b.dir, "pictures")
	names, _, err := writePhotos(in, growths[len(growths)-1])
	if err != nil {
		return nil, err
	}
	cpu := growing{what: "pictures: 1, 10, 100 of 12 MP asked for at once", unit: "CPU ms a picture", costs: map[int]series{}}
	memory := growing{what: cpu.what, unit: "peak memory, MiB, in all", costs: map[int]series{}}
	for range min(b.rounds, 3) {
		for _, n := range growths {
			s, peak, err := makeAll(ctx, b, in, names[:n], n)
			if err != nil {
				return nil, err
			}
			cpu.costs[n], memory.costs[n] = append(cpu.costs[n], s.cpu*1e3), append(memory.costs[n], peak)
		}
	}
	return []growing{cpu, memory}, nil
}
