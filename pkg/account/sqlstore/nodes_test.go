package sqlstore_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	testserver "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/sqldb"
)

// A node is a store, and what it told.
type node struct {
	*sqlstore.Store
	mu   sync.Mutex
	told []account.Change // guarded by mu
}

func newNode(t *testing.T, url string, b bus.Bus) *node {
	t.Helper()
	n := &node{Store: open(t, url, b, nil)}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	n.Notify(func(c account.Change) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.told = append(n.told, c)
	})
	return n
}

func (n *node) heard() []account.Change {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.told)
}

func (n *node) user(t *testing.T, name string) account.User {
	t.Helper()
	u, err := n.AddUser(t.Context(), account.User{Username: name, Role: account.RoleUser, CreatedAt: time.Now()}, "hash", nil)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// What two nodes change at the same time both tell, once, in the order of the
// log: each its own before the method returns.
func TestNodesTell(t *testing.T) {
	t.Parallel()
	for name, local := range map[string]*bus.Local{"with a bus": {}, "without": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := testserver.Database(t)
			var nodes [2]*node
			for i := range nodes {
				var b bus.Bus
				if local != nil {
					member := local.Node()
					defer member.Close()
					b = member
				}
				nodes[i] = newNode(t, url, b)
			}
			const each, writers = 15, 3
			var wg sync.WaitGroup
			for i, n := range nodes {
				for w := range writers {
					wg.Go(func() {
						for j := range each {
							changeOne(t, n, fmt.Sprintf("u%d.%d.%d", i, w, j))
						}
					})
				}
			}
			wg.Wait()
			log, err := nodes[0].Changes(t.Context(), 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if len(log) != 2*each*writers {
				t.Fatalf("%d changes in the log", len(log))
			}
			for i, n := range nodes {
				wait.Right(t, func() string { return cmp.Diff(log, n.heard()) })
				if t.Failed() {
					t.Fatal(i)
				}
			}
		})
	}
}

// changeOne makes a user and one change of it, which the node has told then.
func changeOne(t *testing.T, n *node, name string) {
	u := n.user(t, name)
	if err := n.SetRole(t.Context(), u.ID, account.RoleAdmin); err != nil {
		t.Error(err)
	}
	if !slices.ContainsFunc(n.heard(), func(c account.Change) bool { return c.UserID == u.ID }) {
		t.Errorf("%s: the change was not told when the method returned", name)
	}
}

// IDs grow, whichever node gives them.
func TestNodesGiveIDs(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	a, b := newNode(t, url, nil), newNode(t, url, nil)
	var last, lastBlock int64
	first := a.user(t, "first")
	for i := range 10 {
		n := []*node{a, b}[i%2]
		u := n.user(t, fmt.Sprint("u", i))
		if u.ID <= last {
			t.Fatalf("id %d after %d", u.ID, last)
		}
		last = u.ID
		if err := n.Block(t.Context(), account.Block{UserID: first.ID, OtherID: u.ID, At: time.Now()}, 100); err != nil {
			t.Fatal(err)
		}
		list, err := n.Blocks(t.Context(), first.ID, 0, 1)
		if err != nil || len(list) != 1 || list[0].OtherID != u.ID || list[0].ID <= lastBlock {
			t.Fatalf("blocks %+v after %d: %v", list, lastBlock, err)
		}
		lastBlock = list[0].ID
	}
}

// A node learns after the server was away what others did meanwhile, and of a
// server that has forgotten.
func TestNodesAndFailures(t *testing.T) {
	t.Parallel()
	server := testserver.Start(t)
	a, b := newNode(t, server.URL(), nil), newNode(t, server.URL(), nil)
	u := a.user(t, "ann")
	suspended := func(n *node, to bool) func() error {
		return func() error { return n.SetSuspended(context.Background(), u.ID, to) }
	}
	wait.Works(t, "a change", suspended(a, true))
	server.Kill(t)
	if err := suspended(a, false)(); !sqldb.Temporary(err) {
		t.Fatalf("without a server: %v", err)
	}
	server.Start(t)
	wait.Works(t, "a change after the server came back", suspended(a, false))
	kinds := func(n *node) (kinds []account.ChangeKind) {
		for _, c := range n.heard() {
			kinds = append(kinds, c.Kind)
		}
		return kinds
	}
	for _, n := range []*node{a, b} {
		wait.Right(t, func() string {
			return cmp.Diff([]account.ChangeKind{account.Suspended, account.Unsuspended}, kinds(n))
		})
	}

	server.SQL(t, `SET search_path = `+schema+`; DELETE FROM change WHERE seq > 1; UPDATE number SET value = 1 WHERE name = 'change'`)
	for _, n := range []*node{a, b} {
		wait.Until(t, "the loss is told", func() bool { return slices.Contains(kinds(n), account.Lost) })
	}
	if err := b.SetRole(t.Context(), u.ID, account.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{a, b} {
		wait.Right(t, func() string {
			return cmp.Diff([]account.ChangeKind{account.Suspended, account.Unsuspended, account.Lost, account.RoleSet}, kinds(n))
		})
	}
}
