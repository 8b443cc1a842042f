package chat_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	pgtest "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
	accounts "github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/chat/store/sqlstore"
)

// startNodes starts a chat on several nodes, over one database. Word between them
// goes over the wires.
func startNodes(t testing.TB, url string, wires ...bus.Bus) []*world {
	t.Helper()
	people := directory(t)
	var nodes []*world
	for i, wire := range wires {
		w := &world{t: t, accounts: people, dir: filepath.Join(t.TempDir(), fmt.Sprint("node", i)), cfg: chat.Type{}.Default()}
		w.node = func(kind chat.Type) chat.Type { return kind.OnNode(onPostgres(url), wire) }
		w.open()
		t.Cleanup(w.close)
		nodes = append(nodes, w)
	}
	return nodes
}

// onPostgres opens the store that lies in a database.
func onPostgres(url string) func(context.Context, sqlstore.Options) (*sqlstore.Store, error) {
	return func(ctx context.Context, opt sqlstore.Options) (*sqlstore.Store, error) {
		sub, err := sqlstore.Migrations(sqldb.Postgres)
		if err != nil {
			return nil, err
		}
		db, err := postgres.Open(ctx, url, postgres.Options{Schema: "portico_chat_test", Migrations: sub, Log: opt.Log})
		if err != nil {
			return nil, err
		}
		return sqlstore.On(ctx, db, opt)
	}
}

// accountsOn opens the accounts in a database.
func accountsOn(url string) *people {
	return accountsIn(func(ctx context.Context) (account.Store, error) {
		db, err := postgres.Open(ctx, url, postgres.Options{Schema: "portico_accounts", Migrations: accounts.Migrations(sqldb.Postgres)})
		if err != nil {
			return nil, err
		}
		return accounts.On(ctx, db, accounts.Options{})
	})
}

// localWires are n places on a bus within the process.
func localWires(n int) []bus.Bus {
	l := new(bus.Local)
	wires := make([]bus.Bus, n)
	for i := range wires {
		wires[i] = l.Node()
	}
	return wires
}

// on is the same person, at another node.
func (p *person) on(w *world) *person { return &person{w, p.name, p.token} }

// A client signs in on one node, sends on another, and goes on at a third.
func TestAnyClientOnAnyNode(t *testing.T) {
	n := startNodes(t, pgtest.Database(t), localWires(3)...)
	a, b := n[0].join("alice"), n[0].join("bob")
	id := a.with("bob")
	sa := a.connect()
	first := b.on(n[1])
	sb, hello := first.resume("", 0)
	a.on(n[1]).say(id, "1", "over the second")
	for _, s := range []*socket{sa, sb} {
		if ev := s.next("message", isMessage).Ev; ev.Text != "over the second" || ev.Seq != 1 {
			t.Errorf("%+v", ev)
		}
	}
	a.say(id, "2", "over the first")
	cursor := sb.next("message", isMessage).Ev.Cursor
	_ = sb.conn.NetConn().Close()
	if again := a.on(n[2]).say(id, "2", "over the first"); !again.Dup || again.Seq != 2 {
		t.Errorf("%+v", again)
	}
	a.on(n[2]).say(id, "3", "over the third")
	sb, l := b.on(n[2]).resume(hello.Connect.Epoch, cursor)
	if !l.Connect.Resumed || l.Connect.Reset {
		t.Errorf("%s", l.raw)
	}
	if ev := sb.next("message", isMessage).Ev; ev.Text != "over the third" || ev.Seq != 3 {
		t.Errorf("%+v", ev)
	}
	// The position that a client has of one node may be ahead of what another knows.
	last := sa.next("the third message", func(l line) bool { return isMessage(l) && l.Ev.Seq == 3 }).Ev.Cursor
	for _, w := range n {
		if _, l := a.on(w).resume(hello.Connect.Epoch, last); !l.Connect.Resumed || l.Connect.Reset {
			t.Errorf("%s", l.raw)
		}
	}
	sb.send(`{"id":9,"mark":{"conv":%q,"read":3}}`, id)
	sa.next("mark", isMark)
}

// Word of other nodes is lost, and comes in any order: everybody gets every message
// once and in order all the same.
func TestNodesLoseNoMessage(t *testing.T) {
	for _, c := range []struct {
		name  string
		wires func() []bus.Bus
	}{
		{"heard", func() []bus.Bus { return localWires(2) }},
		{"not heard", func() []bus.Bus { return []bus.Bus{localWires(1)[0], localWires(1)[0]} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := startNodes(t, pgtest.Database(t), c.wires()...)
			a, b := n[0].join("alice"), n[0].join("bob")
			id := a.with("bob")
			socks := []*socket{a.connect(), a.on(n[1]).connect(), b.connect(), b.on(n[1]).connect()}
			const each = 40
			var wg sync.WaitGroup
			for i, p := range []*person{a, b.on(n[1])} {
				wg.Go(func() {
					for m := range each {
						p.say(id, fmt.Sprint(i, "-", m), "x")
					}
				})
			}
			wg.Wait()
			for i, s := range socks {
				last := int64(0)
				for seq := range int64(2 * each) {
					ev := s.next("message", isMessage).Ev
					if ev.Seq != seq+1 || ev.Cursor <= last {
						t.Fatalf("connection %d: seq %d at %d, not %d after %d", i, ev.Seq, ev.Cursor, seq+1, last)
					}
					last = ev.Cursor
				}
			}
		})
	}
}

// Who is online is known on all nodes, and once.
func TestPresenceOverNodes(t *testing.T) {
	n := startNodes(t, pgtest.Database(t), localWires(2)...)
	for _, w := range n {
		w.chat.SetPresenceGrace(300 * time.Millisecond)
	}
	a, b := n[0].join("alice"), n[1].join("bob")
	id := a.with("bob")
	a.say(id, "1", "x")
	sa := a.connect()
	sb := b.connect()
	sa.next("bob online", isPresence("bob", true))
	sb.next("alice online", isPresence("alice", true))
	sb.send(`{"typing":{"conv":%q,"on":true}}`, id)
	sa.next("typing", isType("typing"))
	isOnline := func(p *person, name string) bool {
		var states map[string]event
		p.call("GET", "/v1/presence?users="+name, "", 200, &states)
		return states[name].Online
	}
	wait.Until(t, "alice is online on the other node", func() bool { return isOnline(b, "alice") })
	// A move from one node to the other is no absence.
	moved := b.on(n[0]).connect()
	_ = sb.conn.NetConn().Close()
	moved.next("alice online", isPresence("alice", true))
	time.Sleep(400 * time.Millisecond) // longer than the grace
	if !isOnline(a, "bob") || !isOnline(a.on(n[1]), "bob") {
		t.Error("bob is gone though he only moved")
	}
	sb = b.connect()
	_ = moved.conn.NetConn().Close()
	time.Sleep(400 * time.Millisecond)
	_ = sb.conn.NetConn().Close()
	if l := sa.next("bob offline", isPresence("bob", false)); l.Ev.LastSeen == "" {
		t.Errorf("%s", l.raw)
	}
	wait.Until(t, "bob is offline on the other node", func() bool { return !isOnline(a.on(n[1]), "bob") })
	// A node that comes later learns who is there.
	n[1].reopen()
	wait.Until(t, "alice is online on the node that came back", func() bool { return isOnline(b.on(n[1]), "alice") })
}
