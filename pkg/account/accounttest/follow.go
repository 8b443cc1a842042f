package accounttest

import (
	"testing"

	"github.com/porticod/portico/pkg/account"
)

func (s *suite) cursor(service string) int64 {
	s.t.Helper()
	at, err := s.Follow(s.t.Context(), service)
	s.no(err)
	return at
}

func testFollowers(t *testing.T, s *suite) {
	ctx := t.Context()
	ann := s.user("ann", "")
	s.same("a new one", s.cursor("chat.a"), int64(0))
	for range 2 {
		s.no(s.SetRole(ctx, ann.ID, account.RoleAdmin))
		s.no(s.SetRole(ctx, ann.ID, account.RoleUser))
	}
	last, err := s.LastChange(ctx)
	s.no(err)
	s.no(s.Ack(ctx, "chat.a", last-1))
	s.restart()
	s.same("after a restart", s.cursor("chat.a"), last-1)
	s.no(s.Ack(ctx, "chat.a", last-2))
	s.same("never back", s.cursor("chat.a"), last-1)
	s.no(s.Ack(ctx, "chat.a", last+100))
	s.same("not into the future", s.cursor("chat.a"), last)
	s.no(s.Ack(ctx, "photos.b", last)) // does not follow
	s.same("another one", s.cursor("photos.b"), int64(0))
	s.no(s.Unfollow(ctx, "chat.a"))
	s.no(s.Unfollow(ctx, "chat.a"))
	s.same("forgotten", s.cursor("chat.a"), int64(0))
}

func testErasures(t *testing.T, s *suite) {
	ctx := t.Context()
	ann, bob := s.user("ann", "Ann"), s.user("bob", "")
	pending := func(want ...account.Erasure) {
		t.Helper()
		got, err := s.Erasures(ctx, 0, 10)
		s.no(err)
		s.same("erasures", got, want)
	}
	_, err := s.Erasure(ctx, ann.ID)
	s.is(err, account.ErrNotFound)
	s.cursor("photos.b")
	s.cursor("chat.a")
	s.no(s.DeleteUser(ctx, ann.ID))
	s.no(s.DeleteUser(ctx, bob.ID))
	told := s.told()
	want := func(c account.Change, name string, waiting ...string) account.Erasure {
		return account.Erasure{Seq: c.Seq, UserID: c.UserID, Username: name, At: c.At, Waiting: waiting}
	}
	pending(want(told[0], "ann", "chat.a", "photos.b"), want(told[1], "bob", "chat.a", "photos.b"))
	page, err := s.Erasures(ctx, told[0].Seq, 10)
	s.no(err)
	s.same("second page", page, []account.Erasure{want(told[1], "bob", "chat.a", "photos.b")})
	page, err = s.Erasures(ctx, 0, 1)
	s.no(err)
	s.same("first page", len(page), 1)

	s.no(s.Ack(ctx, "chat.a", told[1].Seq))
	s.no(s.Ack(ctx, "photos.b", told[0].Seq))
	s.restart()
	pending(want(told[1], "bob", "photos.b"))
	e, err := s.Erasure(ctx, ann.ID)
	s.no(err)
	s.same("done", e, want(told[0], "ann"))
	s.no(s.Unfollow(ctx, "photos.b"))
	pending()
	s.cursor("images.c") // it may have data from before
	pending(want(told[0], "ann", "images.c"), want(told[1], "bob", "images.c"))
}
