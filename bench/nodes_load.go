package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The sizes of the loads.
const (
	nodesPairs     = 64
	nodesFew       = 4
	nodesReceivers = 240
)

// A nodesLoad is what clusters have in turn: messages, one a frame.
type nodesLoad struct {
	title string
	nodes []int // of the clusters that have it
	few   []int // of those that have it in the short form
	open  func(c *cluster) (*talk, error)
}

func (l nodesLoad) clusters(short bool) []int {
	if short {
		return l.few
	}
	return l.nodes
}

// nodesLoads are all.
var nodesLoads = []nodesLoad{pairsLoad, crowdLoad, fewLoad, hearLoad}

// Pairs at different nodes, and a group at all nodes but its sender's.
var (
	pairsLoad = nodesLoad{fmt.Sprintf("%d senders, each to somebody at the next node", nodesPairs), nodeCounts, nodeCounts, func(c *cluster) (*talk, error) {
		return pairTalk(nodesPairs, func(i int) (from, to *chatBench) { return c.at(i), c.at(i + 1) })
	}}
	crowdLoad = nodesLoad{fmt.Sprintf("1 sender to a group of %d at the other nodes", nodesReceivers), nodeCounts, []int{1}, func(c *cluster) (*talk, error) {
		g, err := c.nodes[0].gatherAt(nodesReceivers, "nodes", func(i int) *chatBench {
			if len(c.nodes) == 1 {
				return c.nodes[0]
			}
			return c.nodes[1+i%(len(c.nodes)-1)]
		})
		if err != nil {
			return nil, err
		}
		return &talk{send: []func(int) error{g.round}, crowd: g.crowd, close: g.close, each: nodesReceivers}, nil
	}}
	// Those that the model needs besides: fewer senders, and a node that only hears.
	fewLoad = nodesLoad{fmt.Sprintf("%d senders, all at one node", nodesFew), []int{1}, []int{1}, func(c *cluster) (*talk, error) {
		return pairTalk(nodesFew, func(int) (from, to *chatBench) { return c.nodes[0], c.nodes[0] })
	}}
	hearLoad = nodesLoad{fmt.Sprintf("%d senders and receivers at the first node, nobody at the second", nodesPairs), []int{2}, []int{2}, func(c *cluster) (*talk, error) {
		return pairTalk(nodesPairs, func(int) (from, to *chatBench) { return c.nodes[0], c.nodes[0] })
	}}
)

// A nodesSample is one measurement. What is "each" is of a message.
type nodesSample struct {
	messages, took         float64 // how many, seconds
	rate, deliveries       float64 // a second
	ack50, ack99           float64 // ms, until the sender had the server's word
	seen50, seen99         float64 // ms, until the receivers had it
	commits                float64 // of the database a second, those that read included
	group                  float64 // messages of a commit that writes
	own, last, db, bus, us float64 // CPU µs each: nodes, the last of them, database, bus, this load
	wal                    float64 // bytes each
	busIn, busBytes        float64 // messages on the bus each, and their bytes
}

// used is what has been used since the servers began.
type used struct {
	nodes             []float64 // CPU seconds, of each
	db, bus, us       float64
	busIn, busBytesIn float64
}

func (n *nodesBench) used(c *cluster) (u used, err error) {
	for _, node := range c.nodes {
		u.nodes = append(u.nodes, cpuSeconds(node.pid()))
	}
	u.db, u.bus = cpuSeconds(n.db.PID()), cpuSeconds(n.bus.pid())
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return u, err
	}
	u.us = float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
	res, err := http.Get(n.busStats)
	if err != nil {
		return u, fmt.Errorf("ask the bus: %w", err)
	}
	defer res.Body.Close()
	var counts struct {
		Messages float64 `json:"in_msgs"`
		Bytes    float64 `json:"in_bytes"`
	}
	if err := json.NewDecoder(res.Body).Decode(&counts); err != nil {
		return u, fmt.Errorf("ask the bus: %w", err)
	}
	u.busIn, u.busBytesIn = counts.Messages, counts.Bytes
	return u, nil
}

// log is how many bytes the database has written to its log.
func (n *nodesBench) log() (float64, error) {
	bytes, err := n.numbers("portico", "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')", 1)
	if err != nil {
		return 0, err
	}
	return bytes[0], nil
}

// commits are those of a cluster's database, and of them those that moved the
// chat's log.
func (n *nodesBench) commits(c *cluster) (all, writing float64, err error) {
	if c.database == "" {
		return 0, 0, nil
	}
	counts, err := n.numbers(c.database, `SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
		(SELECT n_tup_upd FROM pg_stat_all_tables WHERE schemaname = 'portico_chat_bench' AND relname = 'log')`, 2)
	if err != nil {
		return 0, 0, err
	}
	return counts[0], counts[1], nil
}

// numbers asks the database for some.
func (n *nodesBench) numbers(database, query string, want int) (all []float64, err error) {
	out, err := n.db.Query(database, query)
	if err != nil {
		return nil, err
	}
	for word := range strings.SplitSeq(out, "|") {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, fmt.Errorf("the database's counts are %q", out)
		}
		all = append(all, v)
	}
	if len(all) != want {
		return nil, fmt.Errorf("the database's counts are %q", out)
	}
	return all, nil
}

// tellTime is how long a server's process keeps what it counts to itself, and a
// moment. It tells at the end of the transaction after that.
const tellTime = 1100 * time.Millisecond

// told has every node write once more, so that the database's counts are whole.
func (c *cluster) told(t *talk) error {
	for _, send := range t.send[:min(len(t.send), len(c.nodes))] {
		if err := send(1); err != nil {
			return err
		}
		t.sent += t.each
	}
	return t.crowd.await(int64(t.sent))
}

// sample has a load go on for a while. The commits are counted later.
func (n *nodesBench) sample(c *cluster, t *talk, d time.Duration) (s nodesSample, err error) {
	wal, err := n.log()
	if err != nil {
		return s, err
	}
	before, err := n.used(c)
	if err != nil {
		return s, err
	}
	t.crowd.timing.Store(true)
	t.crowd.takeTimes()
	sent, begun := t.sent, time.Now()
	acks, err := t.drive(d, 1)
	if err != nil {
		return s, err
	}
	took := time.Since(begun).Seconds()
	after, err := n.used(c)
	if err != nil {
		return s, err
	}
	written, err := n.log()
	if err != nil {
		return s, err
	}
	seen, messages := t.crowd.takeTimes(), float64(t.sent-sent)/float64(t.each)
	s = before.until(after, messages)
	s.messages, s.took, s.wal = messages, took, (written-wal)/messages
	s.rate, s.deliveries = messages/took, float64(len(seen))/took
	s.ack50, s.ack99 = percentile(acks, .5), percentile(acks, .99)
	s.seen50, s.seen99 = percentile(seen, .5), percentile(seen, .99)
	return s, nil
}

// until is what so many messages took each.
func (u used) until(after used, messages float64) (s nodesSample) {
	each := func(was, is float64) float64 { return (is - was) * 1e6 / messages }
	for i := range u.nodes {
		s.last = each(u.nodes[i], after.nodes[i])
		s.own += s.last
	}
	s.db, s.bus, s.us = each(u.db, after.db), each(u.bus, after.bus), each(u.us, after.us)
	s.busIn, s.busBytes = (after.busIn-u.busIn)/messages, (after.busBytesIn-u.busBytesIn)/messages
	return s
}

// A nodesRow is what the rounds measured of one cluster.
type nodesRow struct {
	*cluster
	samples []nodesSample
}

func (r nodesRow) of(f func(nodesSample) float64) series { return pluck(r.samples, f) }

// measure gives a load to its clusters in every round, in turn.
func (n *nodesBench) measure(ctx context.Context, l nodesLoad) ([]nodesRow, error) {
	var rows []nodesRow
	var talks []*talk
	for i, c := range n.clusters {
		if !slices.Contains(l.clusters(n.short), nodeCounts[i]) {
			continue
		}
		t, err := l.open(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", l.title, c.name, err)
		}
		defer t.close()
		rows, talks = append(rows, nodesRow{cluster: c}), append(talks, t)
	}
	for round := range n.rounds {
		if err := n.round(rows, talks, round%2 == 1); err != nil {
			return nil, fmt.Errorf("%s: %w", l.title, firstOf(context.Cause(ctx), err))
		}
	}
	return rows, nil
}

// round takes a sample of each cluster.
func (n *nodesBench) round(rows []nodesRow, talks []*talk, backwards bool) error {
	first := make([][2]float64, len(rows))
	for k := range rows {
		i := k
		if backwards {
			i = len(rows) - 1 - k
		}
		row, err := &rows[i], error(nil)
		if first[i][0], first[i][1], err = n.commits(row.cluster); err != nil {
			return err
		}
		s, err := n.sample(row.cluster, talks[i], n.each)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		row.samples = append(row.samples, s)
	}
	time.Sleep(tellTime)
	for i := range rows {
		if err := rows[i].told(talks[i]); err != nil {
			return fmt.Errorf("%s: %w", rows[i].name, err)
		}
		all, writing, err := n.commits(rows[i].cluster)
		if err != nil {
			return err
		}
		s := &rows[i].samples[len(rows[i].samples)-1]
		s.commits = (all - first[i][0]) / s.took
		if writing -= first[i][1]; writing > 0 {
			s.group = s.messages / writing
		}
	}
	return nil
}
