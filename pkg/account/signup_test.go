package account_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/pkg/account"
)

func TestRegistration(t *testing.T) {
	f := newFixture(t, "")
	ctx := t.Context()
	ann := account.NewUser{Username: "ann", Password: "correct horse"}
	_, err := f.SignUp(ctx, ann)
	f.is(err, account.ErrClosed)
	f.Configure(account.Options{Registration: account.ByCode})
	_, err = f.SignUp(ctx, ann)
	f.is(err, account.ErrInvite)
	ann.Invite = "guess"
	_, err = f.SignUp(ctx, ann)
	f.is(err, account.ErrInvite)
	code, err := f.CreateInvite(ctx, 1, 0)
	f.no(err)
	ann.Invite = code.Code
	_, err = f.SignUp(ctx, ann)
	f.no(err)
	ann.Username = "bob"
	_, err = f.SignUp(ctx, ann)
	f.is(err, account.ErrInvite)
	f.Configure(account.Options{Registration: account.Open})
	if f.Registration() != account.Open {
		t.Fatalf("registration %q", f.Registration())
	}
	_, err = f.SignUp(ctx, ann)
	f.no(err)
	var inv *account.Invalid
	if _, err := f.CreateInvite(ctx, 0, 0); !errors.As(err, &inv) {
		t.Errorf("invite for nobody: %v", err)
	}
	if _, err := f.CreateInvite(ctx, 1, -1); !errors.As(err, &inv) {
		t.Errorf("invite for the past: %v", err)
	}
}

func TestNotOpen(t *testing.T) {
	d := account.New()
	ctx := t.Context()
	if err := d.Ready(ctx); !errors.Is(err, account.ErrNotOpen) {
		t.Fatalf("before Configure: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	d = account.New()
	n := 0
	d.Configure(account.Options{Open: func(context.Context) (account.Store, error) { n++; return nil, broken }})
	if n != 0 {
		t.Fatal("Configure opens")
	}
	for range 2 { // the next call tries again
		if _, err := d.User(ctx, 1); !errors.Is(err, broken) {
			t.Fatalf("a store that does not open: %v", err)
		}
	}
	if err := d.Close(); err != nil || n != 2 {
		t.Fatalf("error %v after %d tries", err, n)
	}
	if _, err := d.User(ctx, 1); !errors.Is(err, account.ErrNotOpen) {
		t.Fatalf("after Close: %v", err)
	}
}

func TestTooManySignUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, account.Open)
		n := 0
		signUp := func(from string) error {
			n++
			_, err := f.SignUp(t.Context(), account.NewUser{Username: fmt.Sprint("u", n), Password: "correct horse", From: netip.MustParseAddr(from)})
			return err
		}
		for range 10 { // what fails does not count
			_, err := f.SignUp(t.Context(), account.NewUser{Username: "u", Password: "short", From: netip.MustParseAddr("2001:db8::1")})
			if err == nil {
				t.Fatal("no error")
			}
		}
		for i := range 20 {
			f.no(signUp(fmt.Sprintf("2001:db8::%x", i+1)))
		}
		err := signUp("2001:db8::ffff")
		f.is(err, account.ErrTooManyTries)
		if account.RetryAfter(err) != time.Hour {
			t.Errorf("retry after %v", account.RetryAfter(err))
		}
		f.no(signUp("2001:db8:0:1::1"))
		for range 30 {
			f.no(signUp("127.0.0.1"))
		}
		time.Sleep(time.Hour)
		f.no(signUp("2001:db8::1"))
	})
}

func TestInvalidSignUps(t *testing.T) {
	f := newFixture(t, account.Open)
	for _, c := range []struct {
		user  account.NewUser
		field string
	}{
		{account.NewUser{Password: "correct horse"}, "username"},
		{account.NewUser{Username: "Admin", Password: "correct horse"}, "username"},
		{account.NewUser{Username: "ann", Password: "1234567"}, "password"},
		{account.NewUser{Username: "ann", Password: strings.Repeat("x", 257)}, "password"},
		{account.NewUser{Username: "ann", Password: "correct horse", Name: "a\nb"}, "name"},
		{account.NewUser{Username: "ann", Password: "correct horse", Name: strings.Repeat("ü", 65)}, "name"},
		{account.NewUser{Username: "ann", Password: "correct horse", Name: "\xff"}, "name"},
	} {
		var inv *account.Invalid
		if _, err := f.SignUp(t.Context(), c.user); !errors.As(err, &inv) || inv.Field != c.field {
			t.Errorf("%.60v: %v, want an invalid %s", c.user, err, c.field)
		}
	}
	if n := account.Hashes(f.Directory); n != 0 {
		t.Errorf("%d hashes for what is refused", n)
	}
}

func TestValidateUsername(t *testing.T) {
	for in, want := range map[string]string{
		"ann": "ann", "ANN": "ann", "a": "a", "0": "0", "a.b_c": "a.b_c", "a__b": "a__b", "a_.b": "a_.b",
		strings.Repeat("x", 30): strings.Repeat("x", 30),
		"":                      "", strings.Repeat("x", 31): "", ".a": "", "a.": "", "_a": "", "a_": "", "a..b": "", "a b": "", "a-b": "",
		"ann\n": "", "ä": "", "\u212aelvin": "", "admin": "", "Root": "", "everyone": "", "here": "", "me": "", "current": "",
	} {
		got, err := account.ValidateUsername(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

func FuzzValidateUsername(f *testing.F) {
	for _, s := range []string{"ann", "A.b_c", "a..b", "admin", "\u212aelvin", "ı", ".", "", "x\x00"} {
		f.Add(s)
	}
	// The rule, said in another way.
	rule := regexp.MustCompile(`^[a-z0-9]([a-z0-9_]|\.[a-z0-9_])*$`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := account.ValidateUsername(s)
		var inv *account.Invalid
		if err != nil {
			if got != "" || !errors.As(err, &inv) {
				t.Fatalf("%q: %q, %v", s, got, err)
			}
			return
		}
		if got != strings.ToLower(s) || len(got) > 30 || !rule.MatchString(got) || strings.HasSuffix(got, "_") {
			t.Fatalf("%q became %q", s, got)
		}
		if again, err := account.ValidateUsername(got); err != nil || again != got {
			t.Fatalf("%q is not stable: %q, %v", got, again, err)
		}
	})
}
