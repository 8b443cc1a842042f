package daemon_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
)

// At a start a service that needs something that is away does not keep others from
// serving, and is there by itself when that is back.
func TestOpensLater(t *testing.T) {
	r := newRig(t)
	c := client(t)
	cfg := r.config(time.Second, spec{"updated", "late", "late", "away"}, spec{"replaced", "there", "there", ""})
	r.apply(cfg)
	if got := get(t, c, r.addr("there"), "/"); got != "there" {
		t.Errorf("the other service says %q", got)
	}
	if got := get(t, c, r.addr("late"), "/"); !strings.HasPrefix(got, "503 Service Unavailable: ") {
		t.Errorf("who is not there says %q", got)
	}
	if s := r.Status(); s.Ready || s.Degraded != "service updated.late: open: the sea is away" {
		t.Errorf("ready: %v, %s", s.Ready, s.Degraded)
	}
	r.apply(cfg) // the same
	if got := get(t, c, r.addr("late"), "/"); !strings.HasPrefix(got, "503 ") {
		t.Errorf("after a reload: %q", got)
	}
	r.fakes.back.Store(true)
	wait.Until(t, "it is there", func() bool { return get(t, c, r.addr("late"), "/") == "late" })
	if s := r.Status(); !s.Ready {
		t.Error(s.Degraded)
	}
	r.apply(r.config(time.Second, spec{"updated", "late", "updated", "away"}, spec{"replaced", "there", "there", ""}))
	if got := get(t, c, r.addr("late"), "/"); got != "updated" || r.fakes.count() != 2 {
		t.Errorf("after an update %q, of %d", got, r.fakes.count())
	}
}

// Later, what cannot be opened changes nothing; and one that is not there yet can be
// removed.
func TestRemovedBeforeItOpens(t *testing.T) {
	r := newRig(t)
	r.apply(r.config(time.Second, spec{"replaced", "late", "late", "away"}, spec{"replaced", "there", "there", ""}))
	if _, err := r.Apply(context.Background(), r.config(time.Second, spec{"replaced", "another", "another", "away"})); !errors.Is(err, errAway) {
		t.Errorf("a reload: %v", err)
	}
	addr := r.addr("late")
	r.apply(r.config(time.Second, spec{"replaced", "there", "there", ""}))
	wait.Until(t, "its port is closed", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	r.fakes.back.Store(true)
	if n := r.fakes.count(); n != 1 {
		t.Errorf("%d were opened", n)
	}
}
