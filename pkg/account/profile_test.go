package account_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/account"
)

func TestProfile(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann := f.user("ann")
	if ann.LastSeen != account.Everyone || !ann.Receipts || ann.Avatar != "" {
		t.Fatalf("made as %+v", ann)
	}
	token, _ := f.session(ann, "chat.a")
	_, _, err := f.Verify(ctx, "chat.a", token) // into the cache
	f.no(err)
	_, err = f.UpdateProfile(ctx, ann.ID, account.ProfileEdit{
		Name: ptr(" Ann "), Avatar: ptr("sha256-1"), Service: "photos.b", LastSeen: new(account.Nobody), Receipts: new(false),
	})
	f.no(err)
	u, _, err := f.Verify(ctx, "chat.a", token)
	f.no(err)
	if u.Name != "Ann" || u.LastSeen != account.Nobody || u.Receipts || u.AvatarAt("photos.b") != "sha256-1" || u.AvatarAt("chat.a") != "" {
		t.Fatalf("verified as %+v", u)
	}
	u, err = f.UpdateProfile(ctx, ann.ID, account.ProfileEdit{Avatar: ptr("b_1"), Service: "chat.a"})
	f.no(err)
	if u.AvatarAt("photos.b") != "" || u.AvatarAt("chat.a") != "b_1" || u.Name != "Ann" {
		t.Fatalf("after another service set it: %+v", u)
	}
	u, err = f.UpdateProfile(ctx, ann.ID, account.ProfileEdit{Avatar: ptr(""), Service: "chat.a"})
	f.no(err)
	if u.Avatar != "" || u.AvatarService != "" {
		t.Fatalf("without an avatar: %+v", u)
	}
	for field, e := range map[string]account.ProfileEdit{
		"name":      {Name: ptr(strings.Repeat("x", 65))},
		"about":     {About: ptr("a\x00"), Name: ptr("ok")},
		"avatar":    {Avatar: ptr("b_1")},
		"last_seen": {LastSeen: new(account.Audience("friends"))},
	} {
		var inv *account.Invalid
		if _, err := f.UpdateProfile(ctx, ann.ID, e); !errors.As(err, &inv) || inv.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	var inv *account.Invalid
	if _, err := f.UpdateProfile(ctx, ann.ID, account.ProfileEdit{Avatar: ptr(strings.Repeat("x", 201)), Service: "chat.a"}); !errors.As(err, &inv) {
		t.Errorf("a long avatar: %v", err)
	}
}

// Between signing in and the session the password changes: there is no session.
func TestStartSession(t *testing.T) {
	f := newFixture(t, account.Open)
	ctx := t.Context()
	for name, end := range map[string]func(u account.User) error{
		"ann": func(u account.User) error { return f.ResetPassword(ctx, u.ID, "battery staple") },
		"bob": func(u account.User) error { return f.SetPassword(ctx, u.ID, "password of bob", "battery staple", "") },
		"cyd": func(u account.User) error { return f.EndSessions(ctx, u.ID, "", "") },
	} {
		made := f.user(name)
		u, err := f.SignIn(ctx, name, "password of "+name, somewhere)
		f.no(err)
		start := func(u account.User) (string, error) {
			token, _, err := f.StartSession(ctx, u, account.Session{Service: "chat.a", Device: "phone"})
			return token, err
		}
		_, err = start(made) // after signing up
		f.no(err)
		token, err := start(u)
		f.no(err)
		_, err = start(account.User{})
		if err == nil {
			t.Error("a session of nobody")
		}
		f.no(end(u))
		_, _, err = f.Verify(ctx, "chat.a", token)
		f.is(err, account.ErrToken)
		_, err = start(u)
		f.is(err, account.ErrCredentials)
		list, err := f.Sessions(ctx, u.ID, "")
		f.no(err)
		if len(list) != 0 {
			t.Fatalf("%s: sessions %+v", name, list)
		}
	}
}

// A session that was kept when the others ended has its user's new generation.
func TestKeptSessionGoesOn(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann := f.user("ann")
	token, s := f.session(ann, "photos.b")
	for range 2 {
		u, _, err := f.Verify(ctx, "photos.b", token)
		f.no(err)
		_, extra, err := f.StartSession(ctx, u, account.Session{Service: "photos.b"})
		f.no(err)
		f.no(f.EndSessions(ctx, ann.ID, "", s.ID))
		f.is(f.EndSession(ctx, ann.ID, "", extra.ID), account.ErrToken)
	}
}
