package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/pkg/account"
)

func TestTokens(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann := f.user("ann")
	seen := map[string]bool{}
	for range 50 {
		token, s := f.session(ann, "chat.a")
		if len(token) < 40 || seen[token] || seen[s.ID] || strings.Contains(token, s.ID) {
			t.Fatalf("token %q, session %+v", token, s)
		}
		seen[token], seen[s.ID] = true, true
	}
	for _, token := range []string{"", "x", strings.Repeat("x", 1<<20)} {
		_, _, err := f.Verify(ctx, "chat.a", token)
		f.is(err, account.ErrToken)
	}
	_, _, err := f.NewSession(ctx, account.Session{UserID: 1, Service: "chat.a"})
	f.is(err, account.ErrNotFound)
	for _, s := range []account.Session{{}, {UserID: ann.ID}, {Service: "chat.a"}} {
		if _, _, err := f.NewSession(ctx, s); err == nil {
			t.Errorf("no error for %+v", s)
		}
	}
	_, s, err := f.NewSession(ctx, account.Session{UserID: ann.ID, Service: "chat.a", Device: "a\x00b\n" + strings.Repeat("ü", 1000)})
	f.no(err)
	if !strings.HasPrefix(s.Device, "abü") || len(s.Device) > 128 {
		t.Errorf("device %q", s.Device)
	}
	list, err := f.Sessions(ctx, ann.ID, "chat.a")
	f.no(err)
	if len(list) != 51 || list[0] != s && list[50] != s {
		t.Errorf("%d sessions, first %+v", len(list), list[0])
	}
}

func TestAppSession(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	app, secret, err := f.CreateApp(ctx, account.App{Service: "photos.b", Name: "App", RedirectURIs: []string{"urn:ietf:wg:oauth:2.0:oob"}, Scopes: "read"})
	f.no(err)
	token, _, err := f.NewSession(ctx, account.Session{AppID: app.ID, Service: "photos.b", Scopes: "read"})
	f.no(err)
	for range 2 { // from the store, then from the cache
		u, s, err := f.Verify(ctx, "photos.b", token)
		f.no(err)
		if u != (account.User{}) || s.AppID != app.ID {
			t.Fatalf("verified as %+v, %+v", u, s)
		}
	}
	got, err := f.AppWithSecret(ctx, "photos.b", app.ClientID, secret)
	f.no(err)
	if got.ID != app.ID {
		t.Fatalf("app %+v", got)
	}
	got, err = f.AppByID(ctx, app.ID)
	f.no(err)
	if got.Name != "App" {
		t.Fatalf("app by id %+v", got)
	}
	_, err = f.AppWithSecret(ctx, "photos.b", app.ClientID, secret+"x")
	f.is(err, account.ErrApp)
	_, err = f.AppWithSecret(ctx, "photos.b", app.ClientID, "")
	f.is(err, account.ErrApp)
	_, err = f.App(ctx, "photos.c", app.ClientID)
	f.is(err, account.ErrApp)
}

func TestInvalidApps(t *testing.T) {
	f := newFixture(t, account.Closed)
	good := account.App{Service: "photos.b", Name: "App", RedirectURIs: []string{"app://callback"}}
	for field, edit := range map[string]func(*account.App){
		"client_name":   func(a *account.App) { a.Name = " " },
		"service":       func(a *account.App) { a.Service = "" },
		"website":       func(a *account.App) { a.Website = "javascript:alert(1)" },
		"scopes":        func(a *account.App) { a.Scopes = strings.Repeat("read ", 1000) },
		"redirect_uris": func(a *account.App) { a.RedirectURIs = nil },
	} {
		a := good
		edit(&a)
		var inv *account.Invalid
		if _, _, err := f.CreateApp(t.Context(), a); !errors.As(err, &inv) || inv.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for uri, ok := range map[string]bool{
		"https://example.org/cb?x=1": true, "myapp:/cb": true, "urn:ietf:wg:oauth:2.0:oob": true, "http://127.0.0.1:1234/": true,
		"javascript:alert(1)": false, "JavaScript:alert(1)": false, "data:text/html,x": false, "/relative": false, "": false,
		"https://example.org/#x": false, "https://example.org/\n": false, "https://example.org/" + strings.Repeat("x", 2000): false,
	} {
		a := good
		a.RedirectURIs = []string{uri}
		if _, _, err := f.CreateApp(t.Context(), a); (err == nil) != ok {
			t.Errorf("redirect to %.40q: %v", uri, err)
		}
	}
}

// Whatever takes a session's right away counts for the next Verify, although
// the session was in the cache.
func TestVerifyAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(f *fixture, ctx context.Context, u account.User, s account.Session) error
		want error
	}{
		"end": {func(f *fixture, ctx context.Context, u account.User, s account.Session) error {
			return f.EndSession(ctx, u.ID, "chat.a", s.ID)
		}, account.ErrToken},
		"end all": {func(f *fixture, ctx context.Context, u account.User, _ account.Session) error {
			return f.EndSessions(ctx, u.ID, "", "")
		}, account.ErrToken},
		"keep": {func(f *fixture, ctx context.Context, u account.User, s account.Session) error {
			return f.EndSessions(ctx, u.ID, "", s.ID)
		}, nil},
		"suspend": {func(f *fixture, ctx context.Context, u account.User, _ account.Session) error {
			return f.Suspend(ctx, u.ID)
		}, account.ErrSuspended},
		"delete": {func(f *fixture, ctx context.Context, u account.User, _ account.Session) error {
			return f.Delete(ctx, u.ID)
		}, account.ErrToken},
		"password": {func(f *fixture, ctx context.Context, u account.User, _ account.Session) error {
			return f.ResetPassword(ctx, u.ID, "correct horse")
		}, account.ErrToken},
		"back again": {func(f *fixture, ctx context.Context, u account.User, _ account.Session) error {
			return errors.Join(f.Suspend(ctx, u.ID), f.Unsuspend(ctx, u.ID))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, account.Closed)
			ctx := t.Context()
			ann, bob := f.user("ann"), f.user("bob")
			token, s := f.session(ann, "chat.a")
			bobs, _ := f.session(bob, "chat.a")
			for range 2 {
				_, _, err := f.Verify(ctx, "chat.a", token)
				f.no(err)
			}
			f.no(c.do(f, ctx, ann, s))
			_, _, err := f.Verify(ctx, "chat.a", token)
			f.is(err, c.want)
			_, _, err = f.Verify(ctx, "chat.a", bobs)
			f.no(err)
			f.restart(account.Closed)
			_, _, err = f.Verify(ctx, "chat.a", token)
			f.is(err, c.want)
		})
	}
}

func TestVerifySeesProfileAndRole(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann := f.user("ann")
	token, _ := f.session(ann, "chat.a")
	_, _, err := f.Verify(ctx, "chat.a", token)
	f.no(err)
	_, err = f.UpdateUser(ctx, ann.ID, ptr(" Ann "), ptr("a\nb"))
	f.no(err)
	f.no(f.SetRole(ctx, ann.ID, account.RoleAdmin))
	u, _, err := f.Verify(ctx, "chat.a", token)
	f.no(err)
	if u.Name != "Ann" || u.About != "a\nb" || u.Role != account.RoleAdmin {
		t.Fatalf("verified as %+v", u)
	}
	var inv *account.Invalid
	if _, err := f.UpdateUser(ctx, ann.ID, nil, ptr(strings.Repeat("x", 501))); !errors.As(err, &inv) || inv.Field != "about" {
		t.Errorf("a long about: %v", err)
	}
	if err := f.SetRole(ctx, ann.ID, "king"); !errors.As(err, &inv) {
		t.Errorf("an unknown role: %v", err)
	}
}

// Verify races with what ends the session: once that has returned, no Verify
// that starts later may succeed.
func TestVerifyRaces(t *testing.T) {
	f := newFixture(t, account.Closed)
	ann := f.user("ann")
	for i := range 8 {
		token, s := f.session(ann, "chat.a")
		var ended atomic.Bool
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					was := ended.Load()
					_, _, err := f.Verify(t.Context(), "chat.a", token)
					if was && !errors.Is(err, account.ErrToken) || err != nil && !errors.Is(err, account.ErrToken) {
						t.Errorf("round %d: verify after the end: %v", i, err)
						return
					}
				}
			})
		}
		f.no(f.EndSession(t.Context(), ann.ID, "", s.ID))
		ended.Store(true)
		for range 20 {
			_, _, err := f.Verify(t.Context(), "chat.a", token)
			f.is(err, account.ErrToken)
		}
		close(stop)
		wg.Wait()
	}
}

func TestWatch(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann := f.user("ann")
	token, s := f.session(ann, "chat.a")
	var mu sync.Mutex
	var got []account.Change
	stop := f.Watch(func(c account.Change) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, c)
	})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, err := f.UpdateUser(ctx, ann.ID, ptr(fmt.Sprint("Ann ", i)), nil)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f.no(f.EndSession(ctx, ann.ID, "chat.a", s.ID))
	mu.Lock()
	if len(got) != 21 || got[20].Kind != account.SessionEnded || got[20].SessionID != s.ID || got[20].Service != "chat.a" {
		t.Fatalf("told %+v", got)
	}
	for i := 1; i < len(got); i++ {
		if got[i].Seq <= got[i-1].Seq {
			t.Fatalf("out of order: %+v", got)
		}
	}
	mu.Unlock()
	stop()
	stop()
	f.no(f.Suspend(ctx, ann.ID))
	if len(got) != 21 {
		t.Fatalf("told after stop: %+v", got[21:])
	}
	f.restart(account.Closed) // the log outlives the process
	rest, err := f.Changes(ctx, got[20].Seq, 10)
	f.no(err)
	last, err := f.LastChange(ctx)
	f.no(err)
	if len(rest) != 1 || rest[0].Kind != account.Suspended || rest[0].Seq != last {
		t.Fatalf("after %d: %+v, last %d", got[20].Seq, rest, last)
	}
	if strings.Contains(f.log.String(), token) {
		t.Fatal("a token in the log")
	}
}

func TestSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, account.Closed)
		ctx := t.Context()
		ann := f.user("ann")
		token, s := f.session(ann, "chat.a")
		verify := func() time.Time {
			_, v, err := f.Verify(ctx, "chat.a", token)
			f.no(err)
			return v.SeenAt
		}
		time.Sleep(59 * time.Second)
		if at := verify(); !at.Equal(s.SeenAt) {
			t.Fatalf("seen at %v after 59 s, made at %v", at, s.SeenAt)
		}
		time.Sleep(time.Second)
		at := verify()
		if !at.Equal(s.SeenAt.Add(time.Minute)) {
			t.Fatalf("seen at %v after a minute, made at %v", at, s.SeenAt)
		}
		list, err := f.Sessions(ctx, ann.ID, "chat.a")
		f.no(err)
		if !list[0].SeenAt.Equal(at) {
			t.Fatalf("listed as seen at %v, want %v", list[0].SeenAt, at)
		}
		time.Sleep(time.Hour)
		at = verify()
		f.restart(account.Closed) // stored at the latest when it closes
		list, err = f.Sessions(ctx, ann.ID, "chat.a")
		f.no(err)
		if !list[0].SeenAt.Equal(at) {
			t.Fatalf("stored as seen at %v, want %v", list[0].SeenAt, at)
		}
	})
}

func TestPeople(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann, bob := f.user("ann"), f.user("bob")
	if bob.ID <= ann.ID {
		t.Fatalf("ids %d, %d", ann.ID, bob.ID)
	}
	u, err := f.UserByName(ctx, "ANN")
	f.no(err)
	if u != ann {
		t.Fatalf("by name %+v", u)
	}
	f.no(f.Delete(ctx, bob.ID))
	us, err := f.Users(ctx, []int64{ann.ID, bob.ID, 5})
	f.no(err)
	if len(us) != 2 || us[ann.ID] != ann || !us[bob.ID].Deleted || us[bob.ID].Username != "bob" {
		t.Fatalf("users %+v", us)
	}
	_, err = f.UserByName(ctx, "bob")
	f.is(err, account.ErrNotFound)
	_, err = f.AddUser(ctx, account.NewUser{Username: "bob", Password: "correct horse"}, account.RoleUser)
	f.is(err, account.ErrTaken)
	for q, want := range map[string]int{"@an": 1, " ANN ": 1, "": 0, "@": 0, "bob": 0, "%": 0} {
		found, err := f.SearchUsers(ctx, q, 0)
		f.no(err)
		if len(found) != want {
			t.Errorf("search for %q found %+v", q, found)
		}
	}
}
