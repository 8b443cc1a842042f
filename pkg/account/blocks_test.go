package account_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/sqlstore"
)

func (f *fixture) blocked(a, b account.User, want bool) {
	f.t.Helper()
	for _, p := range [][2]account.User{{a, b}, {b, a}} {
		got, err := f.Blocked(f.t.Context(), p[0].ID, p[1].ID)
		f.no(err)
		if got != want {
			f.t.Fatalf("%s and %s blocked: %v, want %v", p[0].Username, p[1].Username, got, want)
		}
	}
}

func TestBlocks(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann, bob, carl := f.user("ann"), f.user("bob"), f.user("carl")
	f.blocked(ann, bob, false) // into the cache
	f.no(f.Block(ctx, ann.ID, bob.ID))
	f.blocked(ann, bob, true)
	f.blocked(ann, carl, false)
	f.no(f.Block(ctx, carl.ID, ann.ID))
	f.blocked(carl, ann, true)
	s, err := f.BlockedSet(ctx, ann.ID)
	f.no(err)
	if !s.Blocks(bob.ID) || s.BlockedBy(bob.ID) || s.Blocks(carl.ID) || !s.BlockedBy(carl.ID) || s.Has(ann.ID) {
		t.Fatalf("set of ann %+v", s)
	}
	if all := s.All(); !slices.Equal(all, []int64{bob.ID, carl.ID}) {
		t.Fatalf("all %v", all)
	}
	list, err := f.Blocks(ctx, ann.ID, 0, 0)
	f.no(err)
	if len(list) != 1 || list[0].OtherID != bob.ID {
		t.Fatalf("blocks %+v", list)
	}
	f.restart(account.Closed)
	f.blocked(ann, bob, true)
	f.no(f.Unblock(ctx, ann.ID, bob.ID))
	f.blocked(ann, bob, false)
	if !s.Has(bob.ID) {
		t.Error("a set that was handed out changed")
	}
	f.no(f.Delete(ctx, carl.ID))
	s, err = f.BlockedSet(ctx, carl.ID)
	f.no(err)
	if s.All() != nil {
		t.Fatalf("who was deleted blocks %v", s.All())
	}
	var inv *account.Invalid
	if err := f.Block(ctx, ann.ID, ann.ID); !errors.As(err, &inv) {
		t.Errorf("blocking oneself: %v", err)
	}
	f.is(f.Block(ctx, ann.ID, carl.ID), account.ErrNotFound)
	var none *account.BlockedSet
	if none.Has(1) || none.All() != nil {
		t.Error("no set is not empty")
	}
}

// Blocked races with Block and Unblock: what has returned counts for what starts
// later.
func TestBlockedRaces(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann, bob := f.user("ann"), f.user("bob")
	var present, stop atomic.Bool // present: blocked, and nothing is being changed
	var changes atomic.Int64
	var wg sync.WaitGroup
	for i := range 4 {
		a, b := ann.ID, bob.ID
		if i%2 == 0 {
			a, b = b, a
		}
		wg.Go(func() {
			for !stop.Load() {
				before, want := changes.Load(), present.Load()
				got, err := f.Blocked(ctx, a, b)
				if err != nil {
					t.Error(err)
					return
				}
				// Odd: a change was under way.
				if changes.Load() == before && before%2 == 0 && got != want {
					t.Errorf("blocked: %v, want %v", got, want)
					return
				}
			}
		})
	}
	for i := range 60 {
		changes.Add(1)
		block := i%2 == 0
		if block {
			f.no(f.Block(ctx, ann.ID, bob.ID))
		} else {
			f.no(f.Unblock(ctx, ann.ID, bob.ID))
		}
		present.Store(block)
		changes.Add(1)
	}
	stop.Store(true)
	wg.Wait()
}

// lateStore answers with what was so before meanwhile.
type lateStore struct {
	account.Store
	meanwhile func()
}

func (s *lateStore) BlockedBoth(ctx context.Context, user int64) (blocks, blockedBy []int64, err error) {
	blocks, blockedBy, err = s.Store.BlockedBoth(ctx, user)
	if fn := s.meanwhile; fn != nil {
		s.meanwhile = nil
		fn()
	}
	return blocks, blockedBy, err
}

// An answer that was old when it came is not kept.
func TestOldBlocksAreNotKept(t *testing.T) {
	f := &fixture{Directory: account.New(), t: t, dir: t.TempDir()}
	account.CheapHashes(f.Directory)
	late := &lateStore{}
	f.Configure(account.Options{Open: func(ctx context.Context) (_ account.Store, err error) {
		late.Store, err = sqlstore.Open(ctx, filepath.Join(f.dir, "accounts.db"), zerolog.Nop())
		return late, err
	}})
	defer func() { f.no(f.Close()) }()
	ann, bob := f.user("ann"), f.user("bob")
	late.meanwhile = func() { f.no(f.Block(t.Context(), bob.ID, ann.ID)) }
	_, err := f.BlockedSet(t.Context(), ann.ID)
	f.no(err)
	f.blocked(ann, bob, true)
}

func TestBlockCacheIsBounded(t *testing.T) {
	d := account.New()
	account.FillBlockCache(d, account.MaxBlockSets+100, 1)
	if n, cost := account.BlockSetsCached(d); n != account.MaxBlockSets || cost > account.MaxBlockCost {
		t.Fatalf("%d small sets of cost %d", n, cost)
	}
	account.FillBlockCache(d, 30, account.MaxBlockCost/10)
	if n, cost := account.BlockSetsCached(d); n == 0 || cost > account.MaxBlockCost {
		t.Fatalf("%d large sets of cost %d", n, cost)
	}
	before, _ := account.BlockSetsCached(d)
	account.FillBlockCache(d, 1, account.MaxBlockCost+1)
	if n, _ := account.BlockSetsCached(d); n != before {
		t.Fatal("a set that is too large is kept, or pushes others out")
	}
}

func BenchmarkBlocked(b *testing.B) {
	d := account.New()
	account.FillBlockCache(d, 1000, 1000)
	b.RunParallel(func(pb *testing.PB) {
		for i := int64(0); pb.Next(); i++ {
			if _, err := d.Blocked(b.Context(), i, i%1000+1); err != nil {
				b.Fatal(err)
			}
		}
	})
}
