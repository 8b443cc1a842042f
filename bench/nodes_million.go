package main

import (
	"fmt"
	"math"
)

// The users that the model is asked about.
const (
	manyUsers    = 1_000_000
	hourMessages = 20      // that each writes in the busiest hour
	manyWrites   = 2       // for each message: it, and that it was read
	manySeen     = 6       // deliveries for each message, of both
	nodeUsers    = 100_000 // connections of a node
	wireBytes    = 400     // of a delivery, on the way to a client
	idleKiB      = 2       // of a connection, where it was not measured

	// Statements that wait for their answers, of a message and, beside those, of a
	// commit; here each answer comes over loopback, elsewhere some µs later.
	roundTrips = 3
	distance   = 250
)

// busiest is the size of commits, and so their number, where so many writes a
// second come from many: what comes while the one before is written. Where it would
// be more than a commit has, the writer is late.
func (m nodesModel) busiest(writes float64) float64 {
	free := 1 - writes*m.turn.message/1e6
	if free <= 0 {
		return largestCommit
	}
	return max(1, min(largestCommit, writes*m.turn.commit/1e6/free))
}

// million shows what many users need, and what gives way first.
func (m nodesModel) million(r *report, known figures) {
	kib, from := float64(idleKiB), "the aim"
	if all, _ := known.claims("chat-idle"); len(all) > 0 {
		kib, from = all[0].Median, "the part idle of performance.md"
	}
	messages := manyUsers * float64(hourMessages) / 3600
	writes, seen, nodes := messages*manyWrites, messages*manySeen, math.Ceil(manyUsers/float64(nodeUsers))
	g := m.busiest(writes)
	most := 1e6 / m.turn.at(largestCommit)
	r.say("**A million connected users.** %s of them, each of whom writes %d messages in the busiest hour, with %d writes to the database for a message (it, and that it was read) and %d deliveries: %.0f messages, %.0f writes and %.0f deliveries a second.",
		plain(manyUsers), hourMessages, manyWrites, manySeen, messages, writes, seen)
	cores := func(perSecond, micros float64) float64 { return perSecond * micros / 1e6 }
	t := newTable("what", "formula", "needed")
	t.add("nodes", fmt.Sprintf("users / %s", plain(nodeUsers)), number(nodes))
	t.add("memory for connections, all nodes", fmt.Sprintf("users × %s KiB (%s)", number(kib), from), number(manyUsers*kib/1024/1024)+" GiB")
	t.add("chats, each with a writer of its own", "writes × (c / 60 + m) of the writer's turn, rounded up", number(math.Ceil(cores(writes, m.turn.at(largestCommit)))))
	t.add("messages of a commit", "writes × c / (1 − writes × m), of the writer's turn: c a commit, m a message; 60 at most", number(g))
	t.add("commits of the database", "writes / messages of a commit", number(writes/g)+" a second")
	t.add("cores of nodes: taking and storing", "writes × CPU of a write", number(cores(writes, m.own.at(g))))
	t.add("cores of nodes: delivering", "deliveries × CPU of one", number(cores(seen, m.delivery)))
	t.add("cores of nodes: hearing of each other", "writes × (nodes − 1) × CPU of one that was heard", number(cores(writes*(nodes-1), m.hear)))
	t.add("cores of PostgreSQL", "writes × CPU of a write", number(cores(writes, m.db.at(g))))
	t.add("WAL", "writes × bytes of a write", number(writes*m.wal.at(g)/1e6)+" MB/s")
	t.add("bus: messages in, and out", "writes × messages on the bus of one; × (nodes − 1)", fmt.Sprintf("%s and %s a second", number(writes*m.busIn.at(g)), number(writes*m.busIn.at(g)*(nodes-1))))
	t.add("bus: bytes in, and out", "writes × bytes; × (nodes − 1)", fmt.Sprintf("%s and %s MB/s", number(writes*m.busBytes/1e6), number(writes*m.busBytes*(nodes-1)/1e6)))
	t.add("cores of NATS", "writes × (CPU of one + (nodes − 1) × CPU of a copy)", number(cores(writes, m.bus+(nodes-1)*m.copy)))
	t.add("network to clients, all nodes", fmt.Sprintf("deliveries × %d bytes", wireBytes), number(seen*wireBytes/1e6)+" MB/s")
	r.table(t)
	m.first(r, writes, nodes, most)
}

// first shows at which load each part is at its end, the first one first.
func (m nodesModel) first(r *report, writes, nodes, most float64) {
	users := func(limit float64) string {
		return fmt.Sprintf("%.0f writes a second: %.2f million users of %.0f nodes", limit, limit/writes*manyUsers/1e6, nodes)
	}
	parts := []struct {
		what, why string
		limit     float64
	}{
		{"the writer of one chat, over all nodes", "1 / (m + c / 60): commits of full size, one after another", most},
		{fmt.Sprintf("the writer of one chat, with %.2f ms to the database and back", distance/1000.), fmt.Sprintf("%d more round trips in m, and in c", roundTrips),
			1e6 / line{m.turn.commit + roundTrips*distance, m.turn.message + roundTrips*distance}.at(largestCommit)},
		{"a node that hears of all others: a core of its own for that", "1 / CPU of one that was heard", 1e6 / max(m.hear, .1)},
		{"a core of NATS for this chat", "1 / (CPU of one + (nodes − 1) × CPU of a copy)", 1e6 / max(m.bus+(nodes-1)*m.copy, .1)},
	}
	t := newTable("what gives way", "its limit", "at")
	for len(parts) > 0 {
		next := 0
		for i := range parts {
			if parts[i].limit < parts[next].limit {
				next = i
			}
		}
		t.add(parts[next].what, parts[next].why, users(parts[next].limit))
		parts = append(parts[:next], parts[next+1:]...)
	}
	r.table(t)
}
