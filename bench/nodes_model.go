package main

import "fmt"

// A line is what something takes for each message of a commit with g of them:
// once a commit, and once a message.
type line struct{ commit, message float64 }

func (l line) at(g float64) float64 { return l.commit/g + l.message }

// through is the line through what was measured with two sizes of commits. What
// noise would make less than nothing is nothing.
func through(g1, cost1, g2, cost2 float64) line {
	if g1 <= 0 || g2 <= 0 || g1 == g2 {
		return line{message: cost2}
	}
	l := line{commit: max(0, (cost1-cost2)/(1/g1-1/g2))}
	if l.message = cost2 - l.commit/g2; l.message < 0 {
		l = line{commit: cost2 * g2}
	}
	return l
}

// largestCommit is how many messages a commit has at most; see pkg/postgres.
const largestCommit = 60

// A nodesModel is what one node's runs, and one in which a second only hears, say
// of more. Times are µs.
type nodesModel struct {
	group     float64 // messages of a commit of one node with all senders
	rate      float64 // acknowledged a second then
	own, db   line    // CPU time of the nodes and of the database
	turn      line    // of the writer, who has no other meanwhile
	hear      float64 // CPU time of a node for a message of another
	bus, copy float64 // CPU time of the bus for a message, and for each node that gets it
	us        float64 // of the load
	delivery  float64 // CPU time of a delivery
	wal       line    // bytes
	busIn     line    // messages on the bus
	busBytes  float64
}

// row is that of so many nodes.
func rowOf(rows []nodesRow, nodes int) nodesRow {
	for _, r := range rows {
		if r.database != "" && len(r.nodes) == nodes {
			return r
		}
	}
	return nodesRow{}
}

func newNodesModel(results map[string][]nodesRow) nodesModel {
	one, few := rowOf(results[pairsLoad.title], 1), rowOf(results[fewLoad.title], 1)
	hear, crowd := rowOf(results[hearLoad.title], 2), rowOf(results[crowdLoad.title], 1)
	middle := func(r nodesRow, f func(nodesSample) float64) float64 { return r.of(f).median() }
	group := func(s nodesSample) float64 { return s.group }
	fit := func(f func(nodesSample) float64) line {
		return through(middle(few, group), middle(few, f), middle(one, group), middle(one, f))
	}
	bus := func(s nodesSample) float64 { return s.bus }
	own := func(s nodesSample) float64 { return s.own }
	m := nodesModel{
		group: middle(one, group), rate: middle(one, func(s nodesSample) float64 { return s.rate }),
		own: fit(own), db: fit(func(s nodesSample) float64 { return s.db }),
		turn: fit(func(s nodesSample) float64 { return 1e6 / s.rate }),
		hear: middle(hear, func(s nodesSample) float64 { return s.last }),
		bus:  middle(one, bus), us: middle(one, func(s nodesSample) float64 { return s.us }),
		wal:   fit(func(s nodesSample) float64 { return s.wal }),
		busIn: fit(func(s nodesSample) float64 { return s.busIn }), busBytes: middle(one, func(s nodesSample) float64 { return s.busBytes }),
	}
	m.copy = max(0, middle(hear, bus)-m.bus)
	m.delivery = max(0, middle(crowd, own)-m.own.at(max(1, middle(crowd, group)))) / nodesReceivers
	return m
}

// groupOf is how many messages a commit of one of n nodes has. At one node some
// senders have no next message yet when a commit begins; with more their turn comes
// late enough for all of a node's.
func (m nodesModel) groupOf(n int) float64 {
	if n == 1 {
		return m.group
	}
	return max(1, min(largestCommit, nodesPairs/float64(n)))
}

// all is the CPU time of a message with n nodes, by who takes it, and together
// with the load's.
func (m nodesModel) all(n int) (own, db, bus, sum float64) {
	g, others := m.groupOf(n), float64(n-1)
	own, db, bus = m.own.at(g)+others*m.hear, m.db.at(g), m.bus+others*m.copy
	return own, db, bus, own + db + bus + m.us
}

// check shows what the model says of two and four nodes beside what was measured.
// On one machine all share its cores: so many messages as there is CPU time for.
func (m nodesModel) check(r *report, rows []nodesRow) {
	r.say("**The model, checked.** A commit has a part that is its own and one for each message: from %d and from %d senders at one node, a message takes %.0f µs of a node's CPU time and a commit %.0f; "+
		"of the database's %.0f and %.0f; of the writer's turn, in which no other node commits, %.0f and %.0f. A node takes %.1f µs for a message that another wrote, and the bus %.1f, and %.1f for each other node. "+
		"One delivery takes %.1f µs, the senders and receivers here %.0f µs a message. From these alone, for two and for four nodes:",
		nodesFew, nodesPairs, m.own.message, m.own.commit, m.db.message, m.db.commit, m.turn.message, m.turn.commit, m.hear, m.bus, m.copy, m.delivery, m.us)
	t := newTable(pairsLoad.title, "", "messages a writing commit", "CPU µs a message: nodes", "PostgreSQL", "NATS", "messages a second")
	_, _, _, once := m.all(1)
	for _, n := range nodeCounts {
		row := rowOf(rows, n)
		if n < 2 || len(row.samples) == 0 {
			continue
		}
		own, db, bus, sum := m.all(n)
		said := []float64{m.groupOf(n), own, db, bus, m.rate * once / sum}
		predicted, measured, off := []string{row.name, "predicted"}, []string{"", "measured"}, []string{"", "off by"}
		for i, f := range []func(nodesSample) float64{
			func(s nodesSample) float64 { return s.group }, func(s nodesSample) float64 { return s.own }, func(s nodesSample) float64 { return s.db },
			func(s nodesSample) float64 { return s.bus }, func(s nodesSample) float64 { return s.rate },
		} {
			is := row.of(f)
			predicted, measured = append(predicted, number(said[i])), append(measured, is.String())
			off = append(off, fmt.Sprintf("%+.0f %%", (said[i]/is.median()-1)*100))
		}
		t.add(predicted...)
		t.add(measured...)
		t.add(off...)
	}
	r.table(t)
}
