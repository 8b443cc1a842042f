package accounttest

import (
	"testing"

	"github.com/porticod/portico/pkg/account"
)

func testPreferences(t *testing.T, s *suite) {
	ctx := t.Context()
	ann, err := s.AddUser(ctx, account.User{
		Username: "ann", Role: account.RoleUser, CreatedAt: at(), Generation: 1, LastSeen: account.Everyone, Receipts: true,
	}, "h", nil)
	s.no(err)
	bob := s.user("bob", "") // with zero preferences
	edit := func(e account.ProfileEdit) {
		t.Helper()
		u, err := s.SetProfile(ctx, ann.ID, e)
		s.no(err)
		s.same("profile", u, ann)
	}
	off, who, blob := false, account.Contacts, "sha256-1"
	ann.Receipts = false
	edit(account.ProfileEdit{Receipts: &off})
	ann.LastSeen = account.Contacts
	edit(account.ProfileEdit{LastSeen: &who})
	ann.Avatar, ann.AvatarService = "sha256-1", "photos.b"
	edit(account.ProfileEdit{Avatar: &blob, Service: "photos.b"})
	edit(account.ProfileEdit{Service: "chat.a"}) // without an avatar it says nothing
	s.kinds(account.Profile, account.Profile, account.Profile, account.Profile)
	s.restart()
	for _, want := range []account.User{ann, bob} {
		u, err := s.UserByID(ctx, want.ID)
		s.no(err)
		s.same("stored", u, want)
	}
	none := ""
	ann.Avatar, ann.AvatarService = "", ""
	edit(account.ProfileEdit{Avatar: &none})
	s.no(s.DeleteUser(ctx, ann.ID))
	us, err := s.UsersByID(ctx, []int64{ann.ID})
	s.no(err)
	s.same("tombstone", us, []account.User{{ID: ann.ID, Username: "ann", Role: account.RoleUser, CreatedAt: ann.CreatedAt, Deleted: true}})
}

func testSetHash(t *testing.T, s *suite) {
	ctx := t.Context()
	ann := s.user("ann", "")
	s.session(ann, "one", "chat.a")
	hash := func(want string) {
		t.Helper()
		u, got, err := s.Credentials(ctx, "ann")
		s.no(err)
		s.same("hash", got, want)
		s.same("user", u, ann)
	}
	s.no(s.SetHash(ctx, ann.ID, "hash of ann", "stronger"))
	s.restart()
	hash("stronger")
	s.no(s.SetHash(ctx, ann.ID, "hash of ann", "late")) // the password was changed meanwhile
	hash("stronger")
	s.no(s.SetHash(ctx, 1, "", "x"))
	s.kinds()
	s.alive("one")
}

func testGenerations(t *testing.T, s *suite) {
	ctx := t.Context()
	ann := s.user("ann", "")
	add := func(id string, generation int64) error {
		v := account.Session{ID: id, UserID: ann.ID, Service: "chat.a", CreatedAt: at(), SeenAt: at()}
		return s.AddSession(ctx, v, tokenOf(id), generation, 100)
	}
	grows := func(what string, by int64) {
		t.Helper()
		u, err := s.UserByID(ctx, ann.ID)
		s.no(err)
		s.same("generation after "+what, u.Generation, ann.Generation+by)
		if by == 0 {
			return
		}
		s.is(add("late", ann.Generation), account.ErrCredentials)
		s.ended("late")
		ann = u
		s.no(add("after "+what, ann.Generation))
	}
	s.no(s.SetPassword(ctx, ann.ID, "h", ""))
	grows("the first password", 1)
	s.no(s.SetPassword(ctx, ann.ID, "h", "after the first password"))
	grows("a password", 1)
	s.alive("after the first password", "after a password")
	s.no(s.EndSessions(ctx, ann.ID, "", ""))
	grows("the end of all", 1)
	s.no(s.EndSessions(ctx, ann.ID, "", "after the end of all"))
	grows("the end of all others", 1)
	s.no(s.EndSessions(ctx, ann.ID, "chat.a", ""))
	grows("the end of some", 0)
	s.no(s.SetSuspended(ctx, ann.ID, true))
	s.no(s.SetSuspended(ctx, ann.ID, false))
	grows("a suspension", 0)
	s.no(add("unchecked", 0))
	s.is(add("future", ann.Generation+1), account.ErrCredentials)
}
