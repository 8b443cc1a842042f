package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// nodesRun is how this part is measured: in fewer rounds than others, and in the
// short form for half as long.
func nodesRun(b *bench) *bench {
	own := *b
	own.rounds, own.each = min(b.rounds, 3), pick(b, b.each, b.each/2)
	return &own
}

func nodesTakes(b *bench) time.Duration {
	own, each := nodesRun(b), time.Duration(0)
	for _, l := range nodesLoads {
		each += tellTime + time.Duration(len(l.clusters(b.short)))*(own.each+200*time.Millisecond)
	}
	return 6*time.Second + time.Duration(own.rounds)*each
}

// runNodes measures a chat on one node, on two and on four, beside one daemon that
// has SQLite, and what the model of docs/scale.md makes of it.
func runNodes(ctx context.Context, b *bench, r *report) (err error) {
	own := nodesRun(b)
	n, err := startNodes(ctx, own)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	r.say("%s, %s each. One fsync of 4 KiB took %.1f ms (median).", plural(own.rounds, "round"), own.each, n.fsync.Seconds()*1e3)
	rates := &chart{title: "Messages acknowledged a second, all on one machine"}
	costs := &chart{title: "CPU time of a message, µs: all nodes, PostgreSQL, NATS"}
	results := map[string][]nodesRow{}
	for _, l := range nodesLoads {
		rows, err := n.measure(ctx, l)
		if err != nil {
			return fmt.Errorf("%w%s", err, n.said())
		}
		results[l.title] = rows
		nodesTables(r, l, rows)
		if len(rows) > 1 {
			for _, row := range rows {
				rates.add(l.title, row.name, row.of(func(s nodesSample) float64 { return s.rate }), row.database == "")
			}
		}
	}
	for _, row := range results[pairsLoad.title] {
		about := pairsLoad.title + ": " + row.name
		costs.add(about, "portico", row.of(func(s nodesSample) float64 { return s.own }), row.database == "")
		if row.database != "" {
			costs.add(about, "PostgreSQL", row.of(func(s nodesSample) float64 { return s.db }), false)
			costs.add(about, "NATS", row.of(func(s nodesSample) float64 { return s.bus }), false)
		}
	}
	r.plot("rates", rates)
	r.plot("cpu", costs)
	m := newNodesModel(results)
	m.check(r, results[pairsLoad.title])
	m.million(r, n.known)
	return nil
}

// nodesTables are what people see of a load, and what it costs.
func nodesTables(r *report, l nodesLoad, rows []nodesRow) {
	seen := newTable(l.title, "messages acknowledged a second", "p50, ms", "p99, ms", "delivered a second", "p50, ms, send to receive", "p99, ms")
	cost := newTable("", "database commits a second", "messages a writing commit", "CPU µs a message: nodes", "PostgreSQL", "NATS", "the load", "WAL bytes a message", "bus messages a message", "bytes of them")
	for _, row := range rows {
		shown := func(f func(nodesSample) float64) string { return row.of(f).String() }
		seen.add("**"+row.name+"**",
			shown(func(s nodesSample) float64 { return s.rate }), shown(func(s nodesSample) float64 { return s.ack50 }),
			shown(func(s nodesSample) float64 { return s.ack99 }), shown(func(s nodesSample) float64 { return s.deliveries }),
			shown(func(s nodesSample) float64 { return s.seen50 }), shown(func(s nodesSample) float64 { return s.seen99 }))
		of := shown
		if row.database == "" {
			of = func(func(nodesSample) float64) string { return "" }
		}
		cost.add("**"+row.name+"**",
			of(func(s nodesSample) float64 { return s.commits }), of(func(s nodesSample) float64 { return s.group }),
			shown(func(s nodesSample) float64 { return s.own }), of(func(s nodesSample) float64 { return s.db }),
			of(func(s nodesSample) float64 { return s.bus }), shown(func(s nodesSample) float64 { return s.us }),
			of(func(s nodesSample) float64 { return s.wal }), of(func(s nodesSample) float64 { return s.busIn }),
			of(func(s nodesSample) float64 { return s.busBytes }))
	}
	r.table(seen)
	r.table(cost)
}
