package accounttest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/account"
)

// code stores an authorization code of u.
func (s *suite) code(u account.User, id string) account.Code {
	s.t.Helper()
	c := account.Code{
		UserID: u.ID, AppID: 7, Service: "photos.b", Scopes: "read write", RedirectURI: "app://cb?x=1", Challenge: "challenge",
		Generation: u.Generation, CreatedAt: at(),
	}
	s.no(s.AddCode(s.t.Context(), c, tokenOf(id), at().Add(-time.Hour), 100))
	return c
}

func (s *suite) redeem(u account.User, code, session string) error {
	v := account.Session{ID: session, UserID: u.ID, Service: "photos.b", AppID: 7, CreatedAt: at(), SeenAt: at()}
	return s.RedeemCode(s.t.Context(), tokenOf(code), v, tokenOf(session), 100)
}

func testCodes(t *testing.T, s *suite) {
	ctx := t.Context()
	ann := s.user("ann", "")
	want := s.code(ann, "code")
	s.restart()
	got, err := s.CodeByHash(ctx, tokenOf("code"))
	s.no(err)
	s.same("code", got, want)
	_, err = s.CodeByHash(ctx, tokenOf("other"))
	s.is(err, account.ErrCode)
	s.is(s.redeem(ann, "other", "x"), account.ErrCode)
	s.no(s.redeem(ann, "code", "one"))
	s.alive("one")
	s.restart()
	s.alive("one")
	got, err = s.CodeByHash(ctx, tokenOf("code"))
	s.no(err)
	want.Used = true
	s.same("code that was used", got, want)
	s.kinds()
}

func testCodeTwice(t *testing.T, s *suite) {
	ann := s.user("ann", "")
	s.session(ann, "elsewhere", "photos.b")
	s.code(ann, "code")
	s.no(s.redeem(ann, "code", "one"))
	s.restart()
	s.is(s.redeem(ann, "code", "two"), account.ErrCode)
	s.ended("one", "two")
	told := s.told()
	if len(told) != 1 || told[0].Kind != account.SessionEnded || told[0].SessionID != "one" || told[0].Service != "photos.b" {
		t.Fatalf("told %+v", told)
	}
	s.is(s.redeem(ann, "code", "three"), account.ErrCode)
	s.kinds()
	s.ended("one", "two", "three")
	s.alive("elsewhere")
}

// At the same time a code can be used once as well.
func testCodeOnce(t *testing.T, s *suite) {
	ann := s.user("ann", "")
	s.code(ann, "code")
	var wg sync.WaitGroup
	var used atomic.Int32
	for i := range 8 {
		wg.Go(func() {
			if s.redeem(ann, "code", fmt.Sprint("s", i)) == nil {
				used.Add(1)
			}
		})
	}
	wg.Wait()
	s.same("sessions made", used.Load(), int32(1))
	list, err := s.SessionsOf(t.Context(), ann.ID, "")
	s.no(err)
	s.same("sessions left", len(list), 0)
}

func testCodeGoes(t *testing.T, s *suite) {
	ctx := t.Context()
	ann, bob := s.user("ann", ""), s.user("bob", "")
	c := s.code(ann, "password")
	s.code(ann, "suspended")
	s.no(s.SetPassword(ctx, bob.ID, "h", ""))
	s.no(s.SetPassword(ctx, ann.ID, "h", ""))
	s.is(s.redeem(ann, "password", "x"), account.ErrCode)
	s.is(s.AddCode(ctx, c, tokenOf("late"), at(), 100), account.ErrCredentials)
	ann.Generation++
	s.code(ann, "good")
	s.no(s.SetSuspended(ctx, ann.ID, true))
	s.is(s.redeem(ann, "good", "x"), account.ErrSuspended)
	c.Generation = 0
	s.is(s.AddCode(ctx, c, tokenOf("late"), at(), 100), account.ErrSuspended)
	s.no(s.SetSuspended(ctx, ann.ID, false))
	s.no(s.redeem(ann, "good", "good"))

	// Old ones and too many.
	exists := func(id string, want bool) {
		t.Helper()
		if _, err := s.CodeByHash(ctx, tokenOf(id)); (err == nil) != want {
			t.Fatalf("code %s: %v", id, err)
		}
	}
	c.CreatedAt = at().Add(time.Minute)
	s.no(s.AddCode(ctx, c, tokenOf("new"), at().Add(time.Second), 100))
	exists("good", false)
	c.UserID = bob.ID
	s.no(s.AddCode(ctx, c, tokenOf("bobs"), at(), 3))
	c.UserID = ann.ID
	for i := range 4 {
		c.CreatedAt = c.CreatedAt.Add(time.Second)
		s.no(s.AddCode(ctx, c, tokenOf(fmt.Sprint("c", i)), at(), 3))
	}
	for id, want := range map[string]bool{"new": false, "c0": false, "c1": true, "c3": true, "bobs": true} {
		exists(id, want)
	}
	s.no(s.DeleteUser(ctx, ann.ID))
	exists("c3", false)
	exists("bobs", true)
	s.is(s.AddCode(ctx, c, tokenOf("late"), at(), 3), account.ErrNotFound)
}

func testAppRoom(t *testing.T, s *suite) {
	ctx := t.Context()
	ann := s.user("ann", "")
	add := func(id, service string) (account.App, error) {
		return s.AddApp(ctx, account.App{Service: service, ClientID: id, Name: id, CreatedAt: at()}, tokenOf("secret"), 4, at().Add(time.Second))
	}
	app := map[string]account.App{}
	for _, id := range []string{"idle", "used", "alone", "coded"} {
		a, err := add(id, "photos.b")
		s.no(err)
		app[id] = a
		_, err = add("other "+id, "photos.c")
		s.no(err)
	}
	session := func(id string, user int64, a account.App) {
		v := account.Session{ID: id, UserID: user, Service: "photos.b", AppID: a.ID, CreatedAt: at(), SeenAt: at()}
		s.no(s.AddSession(ctx, v, tokenOf(id), 0, 100))
	}
	session("ann's", ann.ID, app["used"])
	session("its own", 0, app["used"])
	session("alone", 0, app["alone"])
	c := account.Code{UserID: ann.ID, AppID: app["coded"].ID, Service: "photos.b", CreatedAt: at()}
	s.no(s.AddCode(ctx, c, tokenOf("code"), at().Add(-time.Hour), 100))

	full := func(idle time.Time) error {
		_, err := s.AddApp(ctx, account.App{Service: "photos.b", ClientID: "new", CreatedAt: at()}, tokenOf("s"), 4, idle)
		return err
	}
	s.is(full(at().Add(-time.Hour)), account.ErrTooManyApps)
	_, err := s.AppByID(ctx, app["idle"].ID)
	s.no(err)
	s.kinds()
	s.no(full(at().Add(time.Second)))
	s.kinds(account.SessionEnded)
	for id, a := range app {
		_, err := s.AppByID(ctx, a.ID)
		if want := id == "used" || id == "coded"; (err == nil) != want {
			t.Errorf("app %s: %v", id, err)
		}
	}
	s.ended("alone")
	s.alive("ann's", "its own")
	_, _, err = s.AppByClientID(ctx, "photos.c", "other idle")
	s.no(err)
}
