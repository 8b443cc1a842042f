package nodes

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A visitor signs in at one node, is known at another, and signs out at a third,
// again and again.
type visitor struct {
	walker
	ledger
	name  string
	over  atomic.Bool
	work  sync.WaitGroup
	signs atomic.Int64 // ins and outs
}

func newVisitor(c *cluster, name string) *visitor {
	c.t.Helper()
	v := &visitor{walker: walker{c: c}, name: name}
	must(c.t, call(http.MethodPost, c.nodes[0].chat+"/v1/accounts", "", credentials(name), nil))
	v.work.Go(func() {
		for !v.over.Load() {
			if err := v.visit(); err != nil {
				v.fault("%v", err)
			}
			time.Sleep(postPause)
		}
	})
	return v
}

func (v *visitor) leave() {
	v.over.Store(true)
	v.work.Wait()
}

func (v *visitor) visit() error {
	var got struct{ Token string }
	if err := v.insist(func(n *node) error {
		return call(http.MethodPost, n.chat+"/v1/sessions", "", credentials(v.name), &got)
	}); err != nil {
		return err
	}
	v.at.Add(1)
	if err := v.insist(func(n *node) error { return call(http.MethodGet, n.chat+"/v1/me", got.Token, nil, nil) }); err != nil {
		return err
	}
	v.at.Add(1)
	if err := v.insist(func(n *node) error {
		err := call(http.MethodDelete, n.chat+"/v1/sessions/current", got.Token, nil, nil)
		if unauthorized(err) { // the answer to the first try was lost
			return nil
		}
		return err
	}); err != nil {
		return err
	}
	v.at.Add(1)
	// The others hear of it within a second, where they can.
	for {
		known := false
		err := v.insist(func(n *node) error {
			err := call(http.MethodGet, n.chat+"/v1/me", got.Token, nil, nil)
			if known = err == nil; unauthorized(err) {
				return nil
			}
			return err
		})
		if err != nil || !known {
			v.signs.Add(1)
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func unauthorized(err error) bool { return statusOf(err) == http.StatusUnauthorized }

// mostGuesses is how many wrong passwords an address may try for a name.
const mostGuesses = 10

// guess tries wrong passwords at one node: soon the others take none either.
func (l *load) guess(t *testing.T) {
	try := func(n *node) int {
		wrong := map[string]string{"username": l.crowd.people[0].name, "password": "wrong horse"}
		return statusOf(call(http.MethodPost, n.chat+"/v1/sessions", "", wrong, nil))
	}
	for i := range mostGuesses {
		if status := try(l.c.nodes[0]); status != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, status)
		}
	}
	for _, n := range l.c.nodes {
		for i := 1; try(n) != http.StatusTooManyRequests; i++ {
			if i == mostGuesses-1 {
				t.Fatalf("%s takes %d more guesses", n.Name, i)
			}
			time.Sleep(300 * time.Millisecond)
		}
	}
}
