package account_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/account"
)

func TestAdmin(t *testing.T) {
	for name, api := range map[string]func(*testing.T, *account.Directory) *account.AdminAPI{
		"local": func(_ *testing.T, d *account.Directory) *account.AdminAPI { return account.LocalAdmin(d) },
		"remote": func(t *testing.T, d *account.Directory) *account.AdminAPI {
			srv := httptest.NewServer(http.StripPrefix("/users", account.AdminHandler(d)))
			t.Cleanup(srv.Close)
			return account.RemoteAdmin(srv.Client(), srv.URL+"/users")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, account.ByCode)
			testAdmin(t, f, api(t, f.Directory))
		})
	}
}

func testAdmin(t *testing.T, f *fixture, a *account.AdminAPI) {
	ctx := t.Context()
	ann, err := a.Add(ctx, account.AddUser{Username: "Ann", Password: "correct horse", Name: "A", Admin: true})
	f.no(err)
	if want, err := f.User(ctx, ann.ID); err != nil || ann != want || ann.Role != account.RoleAdmin {
		t.Fatalf("added %+v, want %+v (%v)", ann, want, err)
	}
	_, err = a.Add(ctx, account.AddUser{Username: "ann", Password: "correct horse"})
	f.is(err, account.ErrTaken)
	var inv *account.Invalid
	if _, err = a.Add(ctx, account.AddUser{Username: "bob", Password: "short"}); !errors.As(err, &inv) || inv.Field != "password" {
		t.Fatalf("short password: %v", err)
	}

	code, err := a.Invite(ctx, 1, time.Hour)
	f.no(err)
	if left := time.Until(code.ExpiresAt); left < 59*time.Minute || left > time.Hour {
		t.Fatalf("invite expires in %v", left)
	}
	bob, err := f.SignUp(ctx, account.NewUser{Username: "bob", Password: "correct horse", Invite: code.Code})
	f.no(err)
	list, err := a.List(ctx, account.ListUsers{})
	f.no(err)
	if len(list) != 2 || list[0] != ann || list[1] != bob {
		t.Fatalf("list %+v", list)
	}

	token, session := f.session(bob, "chat.a")
	sessions, err := a.Sessions(ctx, "BOB")
	f.no(err)
	if len(sessions) != 1 || sessions[0] != session {
		t.Fatalf("sessions %+v, want %+v", sessions, session)
	}
	f.no(a.Suspend(ctx, "bob", true))
	_, _, err = f.Verify(ctx, "chat.a", token)
	f.is(err, account.ErrSuspended)
	f.no(a.Suspend(ctx, "bob", false))
	f.is(a.EndSession(ctx, "bob", "unknown"), account.ErrToken)
	f.no(a.EndSession(ctx, "bob", session.ID))
	_, _, err = f.Verify(ctx, "chat.a", token)
	f.is(err, account.ErrToken)

	f.no(a.SetPassword(ctx, "bob", "battery staple"))
	_, err = f.SignIn(ctx, "bob", "battery staple", somewhere)
	f.no(err)
	f.no(a.SetRole(ctx, "bob", account.RoleAdmin))
	_, err = f.Follow(ctx, "chat.a")
	f.no(err)
	f.no(a.Delete(ctx, "bob"))
	erasures, err := a.Erasures(ctx, account.ListErasures{})
	f.no(err)
	if len(erasures) != 1 || erasures[0].UserID != bob.ID || len(erasures[0].Waiting) != 1 || erasures[0].Waiting[0] != "chat.a" {
		t.Fatalf("erasures %+v", erasures)
	}
	f.no(a.Unfollow(ctx, "chat.a"))
	erasures, err = a.Erasures(ctx, account.ListErasures{})
	f.no(err)
	if len(erasures) != 0 {
		t.Fatalf("erasures after the service went: %+v", erasures)
	}
	f.is(a.Delete(ctx, "bob"), account.ErrNotFound)
	if strings.Contains(f.log.String(), "staple") || strings.Contains(f.log.String(), code.Code) {
		t.Fatalf("a secret in the log:\n%s", f.log.String())
	}
}

func TestAdminHandlerRefuses(t *testing.T) {
	f := newFixture(t, account.Closed)
	h := account.AdminHandler(f.Directory)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/list", "{}", http.StatusMethodNotAllowed},
		{"POST", "/unknown", "{}", http.StatusNotFound},
		{"POST", "/suspend", `{"username":"ann","suspend":true}`, http.StatusUnprocessableEntity},
		{"POST", "/list", "", http.StatusUnprocessableEntity},
		{"POST", "/list", strings.Repeat(" ", 65<<10) + "{}", http.StatusUnprocessableEntity},
		{"POST", "/list", "{}", http.StatusOK},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.status)
		}
	}
}
