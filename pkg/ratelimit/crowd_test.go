package ratelimit_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/ratelimit"
)

const most = 10 // who has two of them at a node has much

// A crowdNode is a node of a test, which can be made to say nothing.
type crowdNode struct {
	*ratelimit.Crowd[string]
	*bus.Node
	silent atomic.Bool
	end    func()
}

func (n *crowdNode) Others() bool { return !n.silent.Load() }

// follow starts so many nodes that hear each other.
func follow(t *testing.T, n int) []*crowdNode {
	t.Helper()
	nodes, local := make([]*crowdNode, n), new(bus.Local)
	for i := range nodes {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		node := &crowdNode{Crowd: ratelimit.NewCrowd[string](), Node: local.Node()}
		node.end = func() { cancel(); <-done }
		t.Cleanup(node.end)
		nodes[i] = node
		go func() {
			defer close(done)
			node.Follow(ctx, node, "crowd")
		}()
	}
	synctest.Wait()
	return nodes
}

// told waits until everybody has told.
func told() {
	time.Sleep(500 * time.Millisecond)
	synctest.Wait()
}

// elsewhere is what the nodes know of the others.
func elsewhere(key string, nodes []*crowdNode) string {
	var list []int
	for _, n := range nodes {
		list = append(list, n.Elsewhere(key))
	}
	return fmt.Sprint(list)
}

// A limit holds over all nodes, and who has little is not spoken of.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := follow(t, 3)
		know := func(when, want string) {
			t.Helper()
			if got := elsewhere("a", n); got != want {
				t.Errorf("%s: %s is known of elsewhere, not %s", when, got, want)
			}
		}
		for _, node := range n {
			node.Enter("a", most)
			node.Enter("b", most)
		}
		time.Sleep(time.Minute)
		if s := n[0].Stats(); s.Sent+s.Received != 0 {
			t.Errorf("of those who have little %d were sent", s.Sent)
		}
		know("little", "[0 0 0]")
		n[0].Enter("a", most)
		told()
		know("much at one node", "[2 3 3]")
		for range 6 {
			if !n[1].Enter("a", most) {
				t.Fatal("refused below the limit")
			}
		}
		told()
		know("the limit", "[8 3 9]")
		for i, node := range n {
			if node.Enter("a", most) {
				t.Errorf("node %d has let in one too many", i)
			}
			if !node.Enter("b", most) {
				t.Errorf("node %d counts one for another", i)
			}
		}
		n[0].Leave("a")
		told()
		if !n[2].Enter("a", most) || n[2].Enter("a", most) {
			t.Error("not one place is free after one left")
		}
		for range 7 {
			n[1].Leave("a")
		}
		told()
		know("after all left", "[2 3 1]")
	})
}

// A node that ends, or says nothing any more, does not count; one that speaks again
// does.
func TestCrowdForgetsNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := follow(t, 3)
		for _, node := range n {
			for range 3 {
				node.Enter("a", most)
			}
		}
		told()
		if got := elsewhere("a", n); got != "[6 6 6]" {
			t.Fatal(got)
		}
		n[0].end()
		synctest.Wait()
		if got := elsewhere("a", n[1:]); got != "[3 3]" {
			t.Errorf("after a node has ended: %s", got)
		}
		n[1].silent.Store(true)
		time.Sleep(3 * time.Second)
		if got := elsewhere("a", n[1:]); got != "[3 3]" {
			t.Errorf("after 3 s of silence: %s", got)
		}
		time.Sleep(3 * time.Second)
		if got := elsewhere("a", n[1:]); got != "[3 0]" {
			t.Errorf("after 6 s of silence: %s", got)
		}
		n[1].silent.Store(false)
		time.Sleep(2 * time.Second)
		if got := elsewhere("a", n[1:]); got != "[3 3]" {
			t.Errorf("when it is heard again: %s", got)
		}
	})
}

// What comes from outside has bounds, and what nobody understands changes nothing.
func TestCrowdIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := follow(t, 2)
		for i := range 3000 {
			n[0].Enter(fmt.Sprint(i), 1)
		}
		told()
		known := 0
		for i := range 3000 {
			known += n[1].Elsewhere(fmt.Sprint(i))
		}
		if known != 2000 {
			t.Errorf("%d of 3000 are known", known)
		}
		shares := strings.Repeat(`{"key":"x","n":1},`, 5000) + `{"key":"y","n":1}`
		for i := range 100 {
			n[0].Publish("crowd", fmt.Appendf(nil, `{"node":"more%d","shares":[{"key":"z","n":1}]}`, i))
		}
		for _, bad := range []string{
			``, `{}`, `[]`, `{"node":"n","shares":[{"key":7,"n":1}]}`, `{"shares":[{"key":"u","n":5}]}`,
			`{"node":"` + strings.Repeat("n", 100) + `","shares":[{"key":"u","n":5}]}`,
			`{"node":"more1","shares":[` + shares + `]}`, `{"node":"more2","shares":[{"key":"v","n":-5},{"key":"w","n":999999999999}]}`,
		} {
			n[0].Publish("crowd", []byte(bad))
		}
		synctest.Wait()
		got := fmt.Sprint(elsewhere("u", n[1:]), elsewhere("v", n[1:]), elsewhere("w", n[1:]), elsewhere("x", n[1:]), elsewhere("y", n[1:]), elsewhere("z", n[1:]))
		if got != "[0][0][1000000][1][0][61]" { // 64 nodes, one of which is real and two of which have something else
			t.Error(got)
		}
		if !n[1].Enter("u", 1) || !n[1].Enter("v", 1) {
			t.Error("somebody is shut out")
		}
	})
}

// Alone it counts what is here.
func TestCrowdAlone(t *testing.T) {
	c := ratelimit.NewCrowd[int]()
	for i := range 5 {
		if got := c.Enter(1, 3); got != (i < 3) {
			t.Errorf("%d: %v", i, got)
		}
	}
	c.Leave(1)
	if !c.Enter(1, 3) || c.Enter(1, 3) || !c.Enter(2, 1) || c.Enter(3, 0) {
		t.Error("places are counted wrongly")
	}
}
