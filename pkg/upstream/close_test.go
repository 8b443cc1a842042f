package upstream_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/upstream"
)

// An update that comes together with the end begins no checks that nobody would
// wait for, and leases can be given back still.
func TestUpdateBesideClose(t *testing.T) {
	var running atomic.Int32
	opt := options("a", "b")
	opt.Active = &upstream.Active{Interval: time.Millisecond, Timeout: time.Second, Rise: 1, Fall: 1, Check: func(context.Context, upstream.Address) error {
		running.Add(1)
		defer running.Add(-1)
		return nil
	}}
	for range 20 {
		p, _ := pool(t, opt)
		l := lease(t, p, upstream.Want{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 20 {
				p.Update(opt)
			}
		}()
		p.Close()
		<-done
		p.Update(opt)
		l.OK()
		l.Release()
		if n := running.Load(); n != 0 {
			t.Fatalf("%d checks run after the end", n)
		}
	}
}
