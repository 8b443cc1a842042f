package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6*max(1, math.Abs(b)) }

func TestLine(t *testing.T) {
	// 300 a commit and 20 a message.
	l := through(4, 300./4+20, 60, 300./60+20)
	if !near(l.commit, 300) || !near(l.message, 20) || !near(l.at(30), 30) {
		t.Errorf("%+v", l)
	}
	for name, c := range map[string]struct{ got, want line }{
		"dearer together":      {through(4, 10, 60, 12), line{message: 12}},
		"nothing for messages": {through(2, 60, 60, 1), line{commit: 60}},
		"one size":             {through(5, 10, 5, 12), line{message: 12}},
		"nothing measured":     {through(0, 0, 60, 12), line{message: 12}},
	} {
		if !near(c.got.commit, c.want.commit) || !near(c.got.message, c.want.message) {
			t.Errorf("%s: %+v, want %+v", name, c.got, c.want)
		}
	}
}

// fakeRow is of so many nodes.
func fakeRow(nodes int, s nodesSample) nodesRow {
	c := &cluster{name: plural(nodes, "node"), database: "x"}
	c.nodes = make([]*chatBench, nodes)
	return nodesRow{cluster: c, samples: []nodesSample{s}}
}

// Runs that are as the model says are predicted to the digit.
func TestNodesModel(t *testing.T) {
	sample := func(g float64, nodes int) nodesSample {
		others := float64(nodes - 1)
		s := nodesSample{group: g, own: 100/g + 50 + 8*others, db: 200/g + 30, bus: 2 + 3*others, us: 40, last: 8, wal: 600/g + 900, busIn: 1 / g, busBytes: 300}
		s.rate = 1e9 / (s.own + s.db + s.bus + s.us)
		return s
	}
	crowd := sample(1, 1)
	crowd.own += nodesReceivers * 5
	results := map[string][]nodesRow{
		pairsLoad.title: {fakeRow(1, sample(60, 1)), fakeRow(2, sample(32, 2)), fakeRow(4, sample(16, 4))},
		fewLoad.title:   {fakeRow(1, sample(4, 1))},
		hearLoad.title:  {fakeRow(2, sample(60, 2))},
		crowdLoad.title: {fakeRow(1, crowd)},
	}
	m := newNodesModel(results)
	if !near(m.delivery, 5) || !near(m.hear, 8) || !near(m.copy, 3) || !near(m.own.commit, 100) || !near(m.db.message, 30) || !near(m.wal.at(60), 910) {
		t.Errorf("%+v", m)
	}
	r := newReport("nodes")
	m.check(r, results[pairsLoad.title])
	m.million(r, figures{"idle": {Claims: []claim{{Aim: "chat-idle", Median: 1.5}}}})
	text := r.text.String()
	if n := strings.Count(text, "off by | +0 % | +0 % | +0 % | +0 % | +0 % |"); n != 2 {
		t.Errorf("%d rows of 2 are predicted:\n%s", n, text)
	}
	for _, want := range []string{
		"| nodes | users / 100,000 | 10.0 |", "of the writer's turn, rounded up | 1.00 |", "users × 1.50 KiB (the part idle of performance.md) | 1.43 GiB |",
		"5556 messages, 11111 writes and 33333 deliveries a second", "| cores of nodes: delivering | deliveries × CPU of one | 0.17 |",
		"125000 writes a second: 11.25 million users of 10 nodes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if g := m.groupOf(1000); g != 1 {
		t.Errorf("a commit has %f messages", g)
	}
}

func TestBusiest(t *testing.T) {
	m := nodesModel{turn: line{commit: 1000, message: 50}}
	for writes, want := range map[float64]float64{1: 1, 10_000: 20, 19_000: 60, 50_000: 60} {
		if g := m.busiest(writes); !near(g, want) {
			t.Errorf("%.0f writes a second come %f in a commit, not %f", writes, g, want)
		}
	}
}

func TestNodesRun(t *testing.T) {
	if own := nodesRun(&bench{rounds: 5, each: 2 * time.Second}); own.rounds != 3 || own.each != 2*time.Second {
		t.Errorf("%+v", own)
	}
	if own := nodesRun(&bench{short: true, rounds: 1, each: time.Second}); own.rounds != 1 || own.each != time.Second/2 {
		t.Errorf("%+v", own)
	}
	for _, l := range nodesLoads {
		if len(l.few) == 0 || len(l.nodes) < len(l.few) {
			t.Errorf("%s: %v, in the short form %v", l.title, l.nodes, l.few)
		}
	}
}
