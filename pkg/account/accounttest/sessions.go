package accounttest

import (
	"fmt"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/account"
)

func (s *suite) alive(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		if _, v, err := s.SessionByToken(s.t.Context(), tokenOf(id)); err != nil || v.ID != id {
			s.t.Fatalf("session %s: %v", id, err)
		}
	}
}

func (s *suite) ended(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		_, _, err := s.SessionByToken(s.t.Context(), tokenOf(id))
		s.is(err, account.ErrToken)
	}
}

func testSessions(t *testing.T, s *suite) {
	ctx := t.Context()
	ann, bob := s.user("ann", ""), s.user("bob", "")
	one := s.session(ann, "one", "chat.a")
	s.session(ann, "two", "photos.b")
	s.session(bob, "bobs", "chat.a")
	u, v, err := s.SessionByToken(ctx, tokenOf("one"))
	s.no(err)
	s.same("user", u, ann)
	s.same("session", v, one)

	app := account.Session{ID: "app", Service: "photos.b", AppID: 7, CreatedAt: at(), SeenAt: at()}
	s.no(s.AddSession(ctx, app, tokenOf("app"), 0, 100))
	u, v, err = s.SessionByToken(ctx, tokenOf("app"))
	s.no(err)
	s.same("nobody", u, account.User{})
	s.same("session of an app", v, app)

	later := one.SeenAt.Add(time.Hour)
	s.no(s.SetSeen(ctx, map[string]time.Time{"one": later, "unknown": later, "two": one.SeenAt.Add(-time.Hour)}))
	vs, err := s.SessionsOf(ctx, ann.ID, "")
	s.no(err)
	if len(vs) != 2 || vs[0].ID != "one" || !vs[0].SeenAt.Equal(later) || vs[1].SeenAt.Before(one.CreatedAt.Add(-time.Minute)) {
		t.Fatalf("sessions %+v", vs)
	}
	vs, err = s.SessionsOf(ctx, ann.ID, "photos.b")
	s.no(err)
	if len(vs) != 1 || vs[0].ID != "two" {
		t.Fatalf("sessions at photos.b: %+v", vs)
	}

	// A time of a clock that was far ahead goes back with the clock.
	for _, seen := range []struct{ at, want time.Time }{
		{later.Add(account.MaxAhead), later.Add(account.MaxAhead)}, {later, later.Add(account.MaxAhead)},
		{later.AddDate(12, 0, 0), later.AddDate(12, 0, 0)}, {later, later},
	} {
		s.no(s.SetSeen(ctx, map[string]time.Time{"one": seen.at}))
		vs, err := s.SessionsOf(ctx, ann.ID, "chat.a")
		s.no(err)
		if !vs[0].SeenAt.Equal(seen.want) {
			t.Errorf("seen at %v after %v, want %v", vs[0].SeenAt, seen.at, seen.want)
		}
	}

	s.is(s.EndSession(ctx, ann.ID, "chat.a", "bobs"), account.ErrToken)
	s.is(s.EndSession(ctx, ann.ID, "photos.b", "one"), account.ErrToken)
	s.alive("one", "bobs")
	s.kinds()
	s.no(s.EndSession(ctx, ann.ID, "chat.a", "one"))
	got := s.told()
	if len(got) != 1 || got[0].Kind != account.SessionEnded || got[0].SessionID != "one" || got[0].Service != "chat.a" || got[0].UserID != ann.ID {
		t.Fatalf("told %+v", got)
	}
	s.is(s.EndSession(ctx, ann.ID, "", "one"), account.ErrToken)
	s.no(s.EndSession(ctx, 0, "", "app"))
	s.ended("one", "app")

	s.session(ann, "three", "chat.a")
	s.session(ann, "four", "chat.a")
	s.told()
	s.no(s.EndSessions(ctx, ann.ID, "chat.a", "four"))
	s.kinds(account.SessionEnded)
	s.ended("three")
	s.alive("two", "four", "bobs")
	s.no(s.EndSessions(ctx, ann.ID, "", ""))
	s.kinds(account.SessionEnded, account.SessionEnded, account.SessionsEnded)
	s.no(s.EndSessions(ctx, ann.ID, "", "")) // a generation, though there are no sessions
	s.kinds(account.SessionsEnded)
	s.no(s.EndSessions(ctx, 1, "", "")) // nobody
	s.kinds()
	s.ended("two", "four")
	s.alive("bobs")
	s.is(s.AddSession(ctx, account.Session{ID: "x", UserID: 1, Service: "chat.a"}, tokenOf("x"), 0, 100), account.ErrNotFound)
}

func testSessionLimit(t *testing.T, s *suite) {
	ann := s.user("ann", "")
	s.session(ann, "elsewhere", "photos.b")
	for i := range 5 {
		v := account.Session{ID: fmt.Sprint("s", i), UserID: ann.ID, Service: "chat.a", CreatedAt: at(), SeenAt: at().Add(time.Duration(i) * time.Second)}
		s.no(s.AddSession(t.Context(), v, tokenOf(v.ID), 0, 3))
	}
	s.kinds(account.SessionEnded, account.SessionEnded)
	s.ended("s0", "s1")
	s.alive("s2", "s3", "s4", "elsewhere")
}

func testPasswordEnds(t *testing.T, s *suite) {
	ctx := t.Context()
	ann, bob := s.user("ann", ""), s.user("bob", "")
	s.session(ann, "one", "chat.a")
	s.session(ann, "two", "photos.b")
	s.session(bob, "bobs", "chat.a")
	s.no(s.SetPassword(ctx, ann.ID, "new", "two"))
	s.kinds(account.SessionEnded, account.PasswordSet)
	s.ended("one")
	s.alive("two", "bobs")
	_, hash, err := s.Credentials(ctx, "ann")
	s.no(err)
	s.same("hash", hash, "new")
	s.is(s.SetPassword(ctx, 1, "new", ""), account.ErrNotFound)
}

func testSuspendAndDelete(t *testing.T, s *suite) {
	ctx := t.Context()
	ann := s.user("ann", "Ann")
	s.session(ann, "one", "chat.a")
	s.no(s.SetSuspended(ctx, ann.ID, true))
	s.no(s.SetSuspended(ctx, ann.ID, true)) // changes nothing
	s.kinds(account.Suspended)
	u, _, err := s.SessionByToken(ctx, tokenOf("one"))
	s.no(err)
	if !u.Suspended {
		t.Fatal("not suspended")
	}
	v := account.Session{ID: "two", UserID: ann.ID, Service: "chat.a"}
	s.is(s.AddSession(ctx, v, tokenOf("two"), 0, 100), account.ErrSuspended)
	s.no(s.SetSuspended(ctx, ann.ID, false))
	s.kinds(account.Unsuspended)
	s.alive("one")

	s.no(s.DeleteUser(ctx, ann.ID))
	s.kinds(account.Deleted)
	s.ended("one")
	_, err = s.UserByID(ctx, ann.ID)
	s.is(err, account.ErrNotFound)
	_, _, err = s.Credentials(ctx, "ann")
	s.is(err, account.ErrNotFound)
	s.is(s.DeleteUser(ctx, ann.ID), account.ErrNotFound)
	s.is(s.SetSuspended(ctx, ann.ID, true), account.ErrNotFound)
	s.is(s.SetPassword(ctx, ann.ID, "h", ""), account.ErrNotFound)
	s.is(s.AddSession(ctx, v, tokenOf("two"), 0, 100), account.ErrNotFound)
	us, err := s.UsersByID(ctx, []int64{ann.ID})
	s.no(err)
	s.same("tombstone", us, []account.User{{ID: ann.ID, Username: "ann", Role: account.RoleUser, CreatedAt: ann.CreatedAt, Deleted: true}})
	us, err = s.ListUsers(ctx, "", 10)
	s.no(err)
	if len(us) != 0 {
		t.Fatalf("list has %v", us)
	}
}

func testApps(t *testing.T, s *suite) {
	ctx := t.Context()
	want := account.App{Service: "photos.b", ClientID: "client", Name: "App", Website: "https://example.org", RedirectURIs: []string{"app://x", "urn:ietf:wg:oauth:2.0:oob"}, Scopes: "read", CreatedAt: at()}
	app, err := s.AddApp(ctx, want, tokenOf("secret"), 100, at())
	s.no(err)
	want.ID = app.ID
	s.same("made", app, want)
	s.restart()
	got, secret, err := s.AppByClientID(ctx, "photos.b", "client")
	s.no(err)
	s.same("found", got, want)
	s.same("secret", secret, tokenOf("secret"))
	got, err = s.AppByID(ctx, app.ID)
	s.no(err)
	s.same("found by id", got, want)
	_, err = s.AppByID(ctx, 1)
	s.is(err, account.ErrApp)
	_, _, err = s.AppByClientID(ctx, "photos.c", "client")
	s.is(err, account.ErrApp)
	_, _, err = s.AppByClientID(ctx, "photos.b", "other")
	s.is(err, account.ErrApp)
	want.ClientID = "client2"
	second, err := s.AddApp(ctx, want, tokenOf("secret"), 100, at())
	s.no(err)
	if second.ID <= app.ID {
		t.Fatalf("id %d after %d", second.ID, app.ID)
	}
}

func testChanges(t *testing.T, s *suite) {
	ctx := t.Context()
	last, err := s.LastChange(ctx)
	s.no(err)
	s.same("before the first", last, int64(0))
	ann, bob := s.user("ann", ""), s.user("bob", "")
	for range 3 {
		name := "A"
		_, err := s.SetProfile(ctx, ann.ID, account.ProfileEdit{Name: &name})
		s.no(err)
	}
	s.no(s.SetSuspended(ctx, bob.ID, true))
	s.mu.Lock()
	told := s.got
	s.got = nil
	s.mu.Unlock()
	if len(told) != 4 {
		t.Fatalf("told %+v", told)
	}
	for i := 1; i < len(told); i++ {
		if told[i].Seq <= told[i-1].Seq {
			t.Fatalf("positions do not grow: %+v", told)
		}
	}
	logged, err := s.Changes(ctx, 0, 10)
	s.no(err)
	s.same("log keeps the last of a kind", logged, told[2:])
	s.no(s.SetSuspended(ctx, bob.ID, false))
	s.no(s.DeleteUser(ctx, bob.ID))
	s.restart()
	last, err = s.LastChange(ctx)
	s.no(err)
	logged, err = s.Changes(ctx, told[2].Seq, 10)
	s.no(err)
	if len(logged) != 1 || logged[0].Kind != account.Deleted || logged[0].UserID != bob.ID || logged[0].Seq != last {
		t.Fatalf("after the deletion (last %d): %+v", last, logged)
	}
	first, err := s.Changes(ctx, 0, 1)
	s.no(err)
	s.same("limit", len(first), 1)
}

func testDurable(t *testing.T, s *suite) {
	ctx := t.Context()
	ann := s.user("ann", "Ann")
	v := s.session(ann, "one", "chat.a")
	s.restart()
	u, got, err := s.SessionByToken(ctx, tokenOf("one"))
	s.no(err)
	s.same("user", u, ann)
	s.same("session", got, v)
}
