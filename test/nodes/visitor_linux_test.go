package nodes

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
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

func unauthorized(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusUnauthorized
}
