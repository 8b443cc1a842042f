package chat_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	natstest "github.com/porticod/portico/internal/testkit/nats"
	pgtest "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/wait"

	"github.com/porticod/portico/pkg/bus/nats"
)

// natsWire is a place on the bus of a server.
func natsWire(t testing.TB, url string) *nats.Bus {
	t.Helper()
	target, err := nats.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := nats.Open(target, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// A log is messages that were acknowledged, by cid.
type log struct {
	mu    sync.Mutex
	acked map[string]int64 // guarded by mu
}

func (l *log) add(cid string, seq int64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[cid] = seq
	return len(l.acked)
}

func (l *log) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// write has p send until stop, each cid until it is acknowledged.
func (l *log) write(p *person, conv, name string, stop *atomic.Bool) {
	for n := 0; !stop.Load(); n++ {
		cid := fmt.Sprint(name, "-", n)
		for !stop.Load() {
			if seq, ok := p.trySend(conv, cid); ok {
				l.add(cid, seq)
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// check says that what was acknowledged is there, once, with the same seq, and no
// seq is missing.
func (l *log) check(p *person, conv string) {
	p.w.t.Helper()
	stored, last := map[string]int64{}, int64(0)
	for more := true; more; {
		var h struct {
			Messages []event
			More     bool
		}
		p.call("GET", fmt.Sprintf("/v1/conversations/%s/messages?limit=200&after=%d", conv, last), "", 200, &h)
		for _, m := range h.Messages {
			if m.Seq != last+1 || stored[m.CID] != 0 {
				p.w.t.Fatalf("seq %d after %d, %s at %d", m.Seq, last, m.CID, stored[m.CID])
			}
			last, stored[m.CID] = m.Seq, m.Seq
		}
		more = h.More
	}
	for cid, seq := range l.acked {
		if stored[cid] != seq {
			p.w.t.Errorf("%s was acknowledged with seq %d and is stored with %d", cid, seq, stored[cid])
		}
	}
	p.w.t.Logf("%d acknowledged, %d stored", len(l.acked), len(stored))
}

// sees reads messages up to a seq, without a gap.
func (s *socket) sees(from, to int64) {
	s.t.Helper()
	for seq := from; seq <= to; seq++ {
		if ev := s.next("message", isMessage).Ev; ev.Seq != seq {
			s.t.Fatalf("seq %d, not %d", ev.Seq, seq)
		}
	}
}

// While the bus is away nothing is lost, only later; when it is back, it is as
// before.
func TestBusAwayAndBack(t *testing.T) {
	server := natstest.Start(t)
	wires := []*nats.Bus{natsWire(t, server.URL), natsWire(t, server.URL)}
	n := startNodes(t, pgtest.Database(t), wires[0], wires[1])
	healthy := func(want bool) {
		t.Helper()
		wait.Until(t, "the bus is noticed", func() bool { return wires[0].Healthy() == want && wires[1].Healthy() == want })
	}
	healthy(true)
	a, b := n[0].join("alice"), n[0].join("bob")
	id := a.with("bob")
	socks := []*socket{a.connect(), a.on(n[1]).connect(), b.connect(), b.on(n[1]).connect()}
	seq := int64(0)
	both := func(name string) {
		t.Helper()
		for i := range 10 {
			a.say(id, fmt.Sprint(name, "a", i), "x")
			b.on(n[1]).say(id, fmt.Sprint(name, "b", i), "x")
		}
		for _, s := range socks {
			s.sees(seq+1, seq+20)
		}
		seq += 20
	}
	both("with")
	server.Stop()
	both("just-gone")
	healthy(false)
	both("without")
	server.Run()
	healthy(true)
	both("again")
}

// While the database is away, nothing is acknowledged and the error says that it is
// for a while. When it is back everything goes on, without a restart.
func TestDatabaseAwayAndBack(t *testing.T) {
	server := pgtest.Start(t)
	n := startNodes(t, server.URL(), localWires(2)...)
	a, b := n[0].join("alice"), n[0].join("bob")
	id := a.with("bob")
	_, hello := b.on(n[1]).resume("", 0)
	l := &log{acked: map[string]int64{}}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i, w := range n {
		wg.Go(func() { l.write(a.on(w), id, fmt.Sprint(i), &stop) })
	}
	wait.Until(t, "messages are acknowledged", func() bool { return l.len() > 20 })
	server.Kill(t)
	status, body := a.do("POST", "/v1/conversations/"+id+"/messages", `{"cid":"away","text":"x"}`)
	if status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", status, body)
	}
	for _, w := range n { // the second one's writer may not have noticed
		wait.Until(t, "the service says that it is not well", func() bool { return w.chat.Check(t.Context()) != nil })
	}
	acked := l.len()
	server.Start(t)
	wait.Until(t, "messages are acknowledged again", func() bool { return l.len() > acked+20 })
	for _, w := range n {
		wait.Works(t, "the service is well again", func() error { return w.chat.Check(t.Context()) })
	}
	stop.Store(true)
	wg.Wait()
	l.check(a, id)
	last := b.say(id, "last", "x").Seq
	sb, _ := b.on(n[1]).resume(hello.Connect.Epoch, hello.Connect.Cursor)
	sb.sees(1, last)
}

// Clients stay where they are while the database is away for all nodes. They are sent
// away by one that hears nothing of the others either.
func TestCutOff(t *testing.T) {
	server, carrier := pgtest.Start(t), natstest.Start(t)
	n := startNodes(t, server.URL(), natsWire(t, carrier.URL), natsWire(t, carrier.URL))
	a := n[0].join("alice")
	id := a.with("alice")
	here, there := a.connect(), a.on(n[1]).connect()
	a.say(id, "1", "x")
	for _, s := range []*socket{here, there} {
		s.sees(1, 1)
	}
	server.Kill(t)
	for _, w := range n {
		wait.Until(t, "the node cannot read the log", w.chat.Unseen)
	}
	here.send(`{"id":7,"watch":{"users":[]}}`)
	here.next("an answer over the same connection", func(l line) bool { return string(l.ID) == "7" })
	carrier.Stop()
	for _, s := range []*socket{here, there} {
		if l := s.next("the end", func(l line) bool { return l.Close != nil }); l.Close.Code != 4010 {
			t.Errorf("%s", l.raw)
		}
	}
}

// A standby takes over: what was acknowledged is there, and clients go on as if
// nothing were.
func TestFailover(t *testing.T) {
	first := pgtest.Start(t)
	second := first.Standby(t)
	n := startNodes(t, first.URLWith(second), localWires(2)...)
	a, b := n[0].join("alice"), n[0].join("bob")
	id := a.with("bob")
	_, hello := b.on(n[1]).resume("", 0)
	l := &log{acked: map[string]int64{}}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i, w := range n {
		wg.Go(func() { l.write(a.on(w), id, fmt.Sprint(i), &stop) })
	}
	wait.Until(t, "messages are acknowledged", func() bool { return l.len() > 20 })
	first.Kill(t)
	acked := l.len()
	second.Promote(t)
	wait.Until(t, "messages are acknowledged again", func() bool { return l.len() > acked+20 })
	stop.Store(true)
	wg.Wait()
	l.check(a, id)
	last := b.say(id, "last", "x").Seq
	sb, line := b.on(n[1]).resume(hello.Connect.Epoch, hello.Connect.Cursor)
	if !line.Connect.Resumed {
		t.Errorf("%s", line.raw)
	}
	sb.sees(1, last)
}

// A node is killed under load: what it acknowledged is there, others go on, and its
// clients too, at another node.
func TestKilledNode(t *testing.T) {
	url, server := pgtest.Database(t), natstest.Start(t)
	spawnNode := func(name string) (alice, bob *person, kill func()) {
		return spawn(t, filepath.Join(t.TempDir(), name), nodeOf+"="+url+" "+server.URL)
	}
	_, bob, killFirst := spawnNode("first")
	alice, _, _ := spawnNode("second")
	conv := alice.with("bob")
	atFirst, hello := bob.resume("", 0)
	l := &log{acked: map[string]int64{}}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() { l.write(alice, conv, fmt.Sprint("second", i), &stop) })
		wg.Go(func() {
			for k := 0; ; k++ {
				cid := fmt.Sprint("first", i, "-", k)
				seq, ok := bob.trySend(conv, cid)
				if !ok {
					return // killed
				}
				l.add(cid, seq)
			}
		})
	}
	wait.Until(t, "messages are acknowledged", func() bool { return l.len() > 100 })
	at := atFirst.next("message", isMessage).Ev
	killFirst()
	acked := l.len()
	wait.Until(t, "the others go on", func() bool { return l.len() > acked+50 })
	moved, line := bob.on(alice.w).resume(hello.Connect.Epoch, at.Cursor)
	if !line.Connect.Resumed {
		t.Errorf("%s", line.raw)
	}
	stop.Store(true)
	wg.Wait()
	l.check(alice, conv)
	moved.sees(at.Seq+1, bob.on(alice.w).say(conv, "last", "x").Seq)
}
