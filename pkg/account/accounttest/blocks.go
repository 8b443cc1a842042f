package accounttest

import (
	"fmt"
	"testing"

	"github.com/porticod/portico/pkg/account"
)

func (s *suite) block(user, other account.User) error {
	return s.Block(s.t.Context(), account.Block{UserID: user.ID, OtherID: other.ID, At: at()}, 100)
}

// both checks whom u blocks and who blocks u.
func (s *suite) both(u account.User, blocks, blockedBy []int64) {
	s.t.Helper()
	got, gotBy, err := s.BlockedBoth(s.t.Context(), u.ID)
	s.no(err)
	s.same(u.Username+" blocks", got, blocks)
	s.same(u.Username+" is blocked by", gotBy, blockedBy)
}

func testBlocks(t *testing.T, s *suite) {
	ctx := t.Context()
	ann, bob, carl := s.user("ann", ""), s.user("bob", ""), s.user("carl", "")
	s.both(ann, nil, nil)
	s.no(s.block(ann, carl))
	s.no(s.block(ann, bob))
	s.no(s.block(ann, bob)) // changes nothing
	s.no(s.block(carl, ann))
	told := s.told()
	if len(told) != 3 || told[1].Kind != account.Blocked || told[1].UserID != ann.ID || told[1].OtherID != bob.ID || told[1].Seq <= told[0].Seq {
		t.Fatalf("told %+v", told)
	}
	s.is(s.block(ann, account.User{ID: 1}), account.ErrNotFound)
	s.is(s.block(account.User{ID: 1}, ann), account.ErrNotFound)

	s.restart()
	s.both(ann, []int64{bob.ID, carl.ID}, []int64{carl.ID})
	s.both(bob, nil, []int64{ann.ID})
	s.both(carl, []int64{ann.ID}, []int64{ann.ID})
	list, err := s.Blocks(ctx, ann.ID, 0, 10)
	s.no(err)
	if len(list) != 2 || list[0].OtherID != bob.ID || list[1].OtherID != carl.ID || list[0].ID <= list[1].ID || list[0].At.IsZero() {
		t.Fatalf("blocks %+v", list)
	}
	page, err := s.Blocks(ctx, ann.ID, 0, 1)
	s.no(err)
	s.same("first page", page, list[:1])
	page, err = s.Blocks(ctx, ann.ID, list[0].ID, 10)
	s.no(err)
	s.same("second page", page, list[1:])

	s.no(s.Unblock(ctx, ann.ID, bob.ID))
	s.no(s.Unblock(ctx, ann.ID, bob.ID)) // changes nothing
	s.no(s.Unblock(ctx, bob.ID, ann.ID)) // nor this
	told = s.told()
	if len(told) != 1 || told[0].Kind != account.Unblocked || told[0].UserID != ann.ID || told[0].OtherID != bob.ID {
		t.Fatalf("told %+v", told)
	}
	s.both(ann, []int64{carl.ID}, []int64{carl.ID})
	s.no(s.block(ann, bob))
	again, err := s.Blocks(ctx, ann.ID, 0, 1)
	s.no(err)
	if again[0].OtherID != bob.ID || again[0].ID <= list[0].ID {
		t.Fatalf("blocked again as %+v, before as %+v", again[0], list[0])
	}
	// Of each kind for two users the log has the last, in order.
	log, err := s.Changes(ctx, 0, 10)
	s.no(err)
	var kinds []string
	for _, c := range log {
		kinds = append(kinds, fmt.Sprint(c.Kind, " ", c.OtherID == bob.ID))
	}
	s.same("log", kinds, []string{"blocked false", "blocked false", "unblocked true", "blocked true"})
}

func testBlockLimit(t *testing.T, s *suite) {
	ctx := t.Context()
	ann := s.user("ann", "")
	var others []account.User
	for i := range 4 {
		others = append(others, s.user(fmt.Sprint("u", i), ""))
	}
	block := func(i int) error {
		return s.Block(ctx, account.Block{UserID: ann.ID, OtherID: others[i].ID, At: at()}, 3)
	}
	for i := range 3 {
		s.no(block(i))
	}
	s.told()
	s.is(block(3), account.ErrTooManyBlocks)
	s.no(block(2)) // is there already
	s.kinds()
	s.both(others[3], nil, nil)
	s.no(s.Unblock(ctx, ann.ID, others[0].ID))
	s.no(block(3))
}

func testBlocksOfDeleted(t *testing.T, s *suite) {
	ctx := t.Context()
	ann, bob, carl := s.user("ann", ""), s.user("bob", ""), s.user("carl", "")
	s.no(s.block(ann, bob))
	s.no(s.block(bob, ann))
	s.no(s.block(carl, bob))
	s.no(s.block(carl, ann))
	s.no(s.DeleteUser(ctx, bob.ID))
	s.both(ann, nil, []int64{carl.ID})
	s.both(bob, nil, nil)
	s.both(carl, []int64{ann.ID}, nil)
	log, err := s.Changes(ctx, 0, 10)
	s.no(err)
	if len(log) != 2 || log[0].Kind != account.Blocked || log[0].UserID != carl.ID || log[0].OtherID != ann.ID || log[1].Kind != account.Deleted {
		t.Fatalf("log %+v", log)
	}
	s.is(s.block(ann, bob), account.ErrNotFound)
}
