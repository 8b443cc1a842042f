package account_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/porticod/portico/pkg/account"
)

// A follower is a service that keeps what it was told.
type follower struct {
	name string
	got  []account.Change
	fail error // for the next Deleted
}

func (s *follower) act(_ context.Context, c account.Change) error {
	if s.fail != nil && c.Kind == account.Deleted {
		return s.fail
	}
	s.got = append(s.got, c)
	return nil
}

func (f *fixture) waiting(user int64, want ...string) {
	f.t.Helper()
	e, err := f.Erasure(f.t.Context(), user)
	f.no(err)
	if len(e.Waiting) != len(want) || e.Done() != (len(want) == 0) {
		f.t.Fatalf("erasure %+v, want it to wait for %v", e, want)
	}
	for i, w := range want {
		if e.Waiting[i] != w {
			f.t.Fatalf("erasure %+v, want it to wait for %v", e, want)
		}
	}
}

func TestErasure(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann, bob := f.user("ann"), f.user("bob")
	chat, photos := &follower{name: "chat.a"}, &follower{name: "photos.b"}
	for _, s := range []*follower{chat, photos} {
		f.no(f.CatchUp(ctx, s.name, s.act))
	}
	token, _ := f.session(ann, "chat.a")
	f.no(f.Suspend(ctx, bob.ID))
	f.no(f.Delete(ctx, ann.ID))
	_, _, err := f.Verify(ctx, "chat.a", token)
	f.is(err, account.ErrToken)
	f.waiting(ann.ID, "chat.a", "photos.b")

	f.no(f.CatchUp(ctx, "chat.a", chat.act))
	f.waiting(ann.ID, "photos.b")
	f.restart(account.Closed)
	broken := errors.New("the disk is full")
	photos.fail = broken
	f.is(f.CatchUp(ctx, "photos.b", photos.act), broken)
	f.waiting(ann.ID, "photos.b")
	pending, err := f.Erasures(ctx, 0, 0)
	f.no(err)
	if len(pending) != 1 || pending[0].Username != "ann" || pending[0].At.IsZero() {
		t.Fatalf("pending %+v", pending)
	}
	photos.fail = nil
	f.restart(account.Closed)
	f.no(f.CatchUp(ctx, "photos.b", photos.act))
	f.waiting(ann.ID)
	for _, s := range []*follower{chat, photos} {
		f.no(f.CatchUp(ctx, s.name, s.act)) // nothing is new
		if len(s.got) != 2 || s.got[0].Kind != account.Suspended || s.got[0].UserID != bob.ID || s.got[1].Kind != account.Deleted || s.got[1].UserID != ann.ID {
			t.Errorf("%s was told %+v", s.name, s.got)
		}
	}
	_, err = f.Erasure(ctx, bob.ID)
	f.is(err, account.ErrNotFound)
	var inv *account.Invalid
	if err := f.CatchUp(ctx, "", chat.act); !errors.As(err, &inv) {
		t.Errorf("no name: %v", err)
	}
}

// What is on disk while a service acts is what a crash leaves: the change comes
// again.
func TestErasureAfterACrash(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann := f.user("ann")
	f.no(f.Delete(ctx, ann.ID))
	crashed := t.TempDir()
	f.no(f.CatchUp(ctx, "chat.a", func(context.Context, account.Change) error {
		return os.CopyFS(crashed, os.DirFS(f.dir))
	}))
	f.waiting(ann.ID)
	after := &fixture{t: t, dir: crashed}
	after.start(account.Closed)
	defer func() { after.no(after.Close()) }()
	after.waiting(ann.ID, "chat.a")
	chat := &follower{name: "chat.a"}
	after.no(after.CatchUp(ctx, "chat.a", chat.act))
	if len(chat.got) != 1 || chat.got[0].UserID != ann.ID {
		t.Fatalf("told %+v", chat.got)
	}
	after.waiting(ann.ID)
}

func TestCatchUpIsComplete(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ann := f.user("ann")
	for range 250 { // more than a batch
		_, s := f.session(ann, "chat.a")
		f.no(f.EndSession(ctx, ann.ID, "", s.ID))
	}
	n, last := 0, int64(0)
	act := func(ctx context.Context, c account.Change) error {
		if c.Seq <= last {
			t.Fatalf("position %d after %d", c.Seq, last)
		}
		if n == 120 {
			cancel() // the service is closed
			return ctx.Err()
		}
		n++
		last = c.Seq
		return nil
	}
	f.is(f.CatchUp(ctx, "chat.a", act), context.Canceled)
	ctx = t.Context()
	n = 130 // the others, none twice
	f.no(f.CatchUp(ctx, "chat.a", act))
	end, err := f.LastChange(ctx)
	f.no(err)
	if n != 260 || last != end {
		t.Fatalf("%d changes up to %d, want 260 up to %d", n, last, end)
	}
}
