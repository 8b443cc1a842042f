package sqlstore_test

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	pgtest "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
	"github.com/porticod/portico/services/chat/store/sqlstore"
)

// A told is what a node hands on after a commit.
type told struct {
	after, cursor int64
	events        []store.Event
}

// nodes are stores that have one database open.
type nodes struct {
	url    string
	stores []*sqlstore.Store

	mu      sync.Mutex
	told    []told // guarded by mu
	renewed []int  // by node; guarded by mu
}

func startNodes(t *testing.T, n int) *nodes {
	t.Helper()
	ns := &nodes{url: pgtest.Database(t), renewed: make([]int, n)}
	for i := range n {
		ns.stores = append(ns.stores, onPostgres(t, ns.url, sqlstore.Options{
			Log: zerolog.Nop(),
			Committed: func(after int64, events []store.Event, cursor int64) {
				ns.mu.Lock()
				defer ns.mu.Unlock()
				ns.told = append(ns.told, told{after, cursor, events})
			},
			Renewed: func() {
				ns.mu.Lock()
				defer ns.mu.Unlock()
				ns.renewed[i]++
			},
		}))
	}
	return ns
}

// last is the audience of the event that was told last.
func (ns *nodes) audience(t *testing.T) []int64 {
	t.Helper()
	ns.mu.Lock()
	defer ns.mu.Unlock()
	events := ns.told[len(ns.told)-1].events
	return events[len(events)-1].Audience
}

// What several nodes write is one log: what they hand on has no gaps and no
// position twice, and messages are counted without a hole.
func TestNodesWriteOneLog(t *testing.T) {
	ns := startNodes(t, 3)
	one := direct(t, ns.stores[0], alice, bob)
	two := direct(t, ns.stores[1], alice, eve)
	var wg sync.WaitGroup
	for n, s := range ns.stores {
		for w := range 4 {
			wg.Go(func() {
				for i := range 15 {
					conv := []store.ConvID{one, two}[w%2]
					say(t, s, alice, conv, fmt.Sprintf("%d-%d-%d", n, w, i), "x")
					if err := s.Mark(t.Context(), alice, conv, int64(i), 0, false, nil); err != nil {
						t.Error(err)
					}
					if again := say(t, s, alice, conv, fmt.Sprintf("same-%d", i), "y"); again.Err != nil || again.Seq == 0 {
						t.Errorf("%+v", again)
					}
				}
			})
		}
	}
	wg.Wait()
	slices.SortFunc(ns.told, func(a, b told) int { return cmp.Compare(a.cursor, b.cursor) })
	at, seqs, cids := int64(0), map[store.ConvID]int64{}, map[string]int{}
	for _, w := range ns.told {
		if w.after != at || w.cursor <= at {
			t.Fatalf("told of %d to %d, after %d", w.after, w.cursor, at)
		}
		for _, e := range w.events {
			if e.Cursor <= at {
				t.Errorf("position %d after %d", e.Cursor, at)
			}
			if at = e.Cursor; e.Type == store.Message {
				if seqs[e.Conv]++; e.Seq != seqs[e.Conv] {
					t.Errorf("seq %d in place of %d", e.Seq, seqs[e.Conv])
				}
				cids[fmt.Sprint(e.Conv, e.CID)]++
			}
		}
		at = w.cursor
	}
	if want := int64(3*2*15 + 15); seqs[one] != want || seqs[two] != want || int64(len(cids)) != 2*want {
		t.Errorf("%v messages with %d cids, not %d", seqs, len(cids), want)
	}
	for i, s := range ns.stores {
		if now, err := s.Look(t.Context()); err != nil || now != at || s.Cursor() != at {
			t.Errorf("node %d: %v, at %d, not %d", i, err, now, at)
		}
	}
}

// A node knows who is in a group, though others change it, and though changes are
// undone whose positions are given to others.
func TestNodesKnowTheMembers(t *testing.T) {
	ns := startNodes(t, 2)
	a, b := ns.stores[0], ns.stores[1]
	sum, _, err := a.CreateGroup(t.Context(), store.GroupDraft{By: alice, CID: "g", Title: "Group", Members: []store.Person{bob}}, 10)
	if err != nil {
		t.Fatal(err)
	}
	heard := func(s *sqlstore.Store, want ...int64) {
		t.Helper()
		if sent := say(t, s, alice, sum.ID, fmt.Sprint(len(ns.told)), "x"); sent.Err != nil {
			t.Fatal(sent.Err)
		}
		if got := ns.audience(t); !slices.Equal(got, want) {
			t.Errorf("heard by %v, not %v", got, want)
		}
	}
	heard(a, 1, 2)
	heard(b, 1, 2)
	if err := b.AddMember(t.Context(), alice, sum.ID, eve, "", 10, nil); err != nil {
		t.Fatal(err)
	}
	heard(a, 1, 2, 3)
	// The position at which bob leaves in vain on one node is that at which eve
	// leaves on the other.
	if err := a.LeaveInVain(t.Context(), sum.ID, bob, store.Draft{From: alice, Conv: sum.ID, CID: "vain", Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := b.RemoveMember(t.Context(), eve, sum.ID, eve); err != nil {
		t.Fatal(err)
	}
	heard(a, 1, 2)
	heard(b, 1, 2)
	if err := b.Mark(t.Context(), bob, sum.ID, 2, 1, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := a.Mark(t.Context(), bob, sum.ID, 1, 2, false, nil); err != nil {
		t.Fatal(err)
	}
	ms, _, err := b.Members(t.Context(), alice.ID, sum.ID, "b", 1)
	if err != nil || len(ms) != 1 || ms[0].Recv != 2 || ms[0].Read != 2 {
		t.Errorf("%v, %+v", err, ms)
	}
}

// A database that lost what it had told gets another epoch, on every node, and no
// position of the lost ones is given again.
func TestDatabaseThatWentBack(t *testing.T) {
	ns := startNodes(t, 2)
	conv := direct(t, ns.stores[0], alice, bob)
	for i := range 5 {
		say(t, ns.stores[0], alice, conv, fmt.Sprint(i), "x")
	}
	before := ns.stores[0].Cursor()
	if at, err := ns.stores[1].Look(t.Context()); err != nil || at != before {
		t.Fatalf("%v, %d", err, at)
	}
	epoch := ns.stores[0].Epoch()
	sub, err := sqlstore.Migrations(sqldb.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), ns.url, postgres.Options{Schema: "portico_chat_test", Migrations: sub, Log: zerolog.Nop()})
	if err == nil {
		err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`UPDATE log SET cursor = cursor - 3`)
			return err
		})
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ns.stores[0].Send(t.Context(), []store.Draft{{From: alice, Conv: conv, CID: "after", Text: "x"}}); err == nil {
		t.Error("a send was acknowledged by a store that forgets")
	}
	say(t, ns.stores[0], alice, conv, "after", "x")
	if at, err := ns.stores[1].Look(t.Context()); err != nil || at <= before || at != ns.stores[0].Cursor() {
		t.Errorf("%v, at %d and %d", err, at, ns.stores[0].Cursor())
	}
	if now := ns.stores[0].Epoch(); now == epoch || ns.stores[1].Epoch() != now || ns.renewed[0] != 1 || ns.renewed[1] != 1 {
		t.Errorf("epochs %s, %s and %s; renewed %v", epoch, now, ns.stores[1].Epoch(), ns.renewed)
	}
	other := direct(t, ns.stores[1], bob, eve)
	if other < 1_000_000 {
		t.Errorf("the next conversation is %d", other)
	}
}

// The upkeep is done by one node, and by another one when that has gone.
func TestOneNodeLeads(t *testing.T) {
	ns := startNodes(t, 3)
	leads := func(s *sqlstore.Store) bool {
		t.Helper()
		ok, err := s.Lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	for range 2 {
		if !leads(ns.stores[1]) || leads(ns.stores[0]) || leads(ns.stores[2]) {
			t.Error("not one node leads, or another one")
		}
	}
	if err := ns.stores[1].Close(); err != nil {
		t.Fatal(err)
	}
	late := onPostgres(t, ns.url, sqlstore.Options{Log: zerolog.Nop()})
	if !leads(late) {
		t.Error("nobody leads")
	}
}
