package main

import (
	"context"
	"fmt"
	"time"
)

// relays are what moves bytes without a look into HTTP; those after a split look
// at the first ones.
var relays = []string{"direct", "nginx stream", "HAProxy tcp", "portico tcp", "HAProxy tcp after a split", "sslh", "portico tcp after a split"}

// relayPairs are what the aims compare.
var relayPairs = []struct{ own, peer, when string }{
	{"portico tcp", "HAProxy tcp", "before a split"},
	{"portico tcp after a split", "HAProxy tcp after a split", "after a split"},
}

func relayTakes(b *bench) time.Duration {
	return 2*time.Second + b.turns(len(relays)*len(frontRows(b))) + b.streamTakes(len(relays))
}

// runRelay measures the TCP relay.
func runRelay(ctx context.Context, b *bench, r *report) error {
	f, err := startFronts(ctx, b)
	if err != nil {
		return err
	}
	defer f.stop()
	rates := &chart{title: "TCP relay: requests a second beside HAProxy", marks: []mark{{1, "HAProxy"}}}
	cpus := &chart{title: "TCP relay: work for each second of CPU beside HAProxy", marks: []mark{{1, "HAProxy"}}}
	for _, row := range frontRows(b) {
		c, err := b.compete(ctx, row.title, drive(at(f.of(relays...), row.path), row.load))
		if err != nil {
			return fmt.Errorf("%w: %s", err, f.portico.log)
		}
		r.table(c.table("requests", "direct", "HAProxy tcp", "HAProxy tcp after a split"))
		for _, p := range relayPairs {
			rate, cpu := c.rates(p.own).beside(c.rates(p.peer)), c.cpus(p.peer).beside(c.cpus(p.own))
			r.reach("relay-requests", row.title+", "+p.when, rate)
			r.reach("relay-requests-cpu", row.title+", "+p.when, cpu)
			rates.add(row.title, p.own, rate, false)
			cpus.add(row.title, p.own, cpu, false)
		}
		rates.add(row.title, "sslh", c.rates("sslh").beside(c.rates("HAProxy tcp after a split")), true)
		cpus.add(row.title, "sslh", c.cpus("HAProxy tcp after a split").beside(c.cpus("sslh")), true)
	}
	c, err := b.compete(ctx, "one answer of "+sizeName(streamSize(b)), stream(b, f.of(relays...)))
	if err != nil {
		return err
	}
	r.table(streamTable(c))
	for _, p := range relayPairs {
		cpu := c.cpus(p.peer).beside(c.cpus(p.own))
		r.reach("relay-bytes-cpu", p.when, cpu)
		cpus.add(c.title, p.own, cpu, false)
	}
	cpus.add(c.title, "sslh", c.cpus("HAProxy tcp after a split").beside(c.cpus("sslh")), true)
	r.plot("rates", rates)
	r.plot("cpu", cpus)
	return nil
}
