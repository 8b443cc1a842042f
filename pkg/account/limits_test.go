package account_test

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/sqlstore"
)

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, account.Open)
		ctx := t.Context()
		f.user("ann")
		limits := account.Limits{FailedSignIns: 2, SignUps: 1, AppsFrom: 3}
		f.Configure(account.Options{Registration: account.Open, Limits: limits})
		fails := func(n int) {
			t.Helper()
			for range n {
				_, err := f.SignIn(ctx, "ann", "wrong", somewhere)
				f.is(err, account.ErrCredentials)
			}
			_, err := f.SignIn(ctx, "ann", "wrong", somewhere)
			f.is(err, account.ErrTooManyTries)
		}
		fails(2)
		n := 0
		signUp := func() error {
			n++
			_, err := f.SignUp(ctx, account.NewUser{Username: fmt.Sprint("u", n), Password: "correct horse", From: somewhere})
			return err
		}
		f.no(signUp())
		f.is(signUp(), account.ErrTooManyTries)

		limits.FailedSignIns, limits.SignUps = 5, 0 // 0: the default, 20
		f.Configure(account.Options{Registration: account.Open, Limits: limits})
		fails(3)
		for range 19 {
			f.no(signUp())
		}
		f.is(signUp(), account.ErrTooManyTries)
		limits.FailedSignIns = 1
		f.Configure(account.Options{Registration: account.Open, Limits: limits})
		_, err := f.SignIn(ctx, "ann", "password of ann", somewhere)
		if account.RetryAfter(err) != 10*time.Minute {
			t.Fatalf("after the limit was lowered: %v, %v", err, account.RetryAfter(err))
		}
	})
}

func TestTooManyAppsFromAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, account.Closed)
		f.Configure(account.Options{Limits: account.Limits{AppsFrom: 3}})
		app := account.App{Service: "photos.b", Name: "App", RedirectURIs: []string{"app://x"}}
		register := func(from string) error {
			_, _, err := f.RegisterApp(t.Context(), app, netip.MustParseAddr(from))
			return err
		}
		for range 5 { // what fails does not count
			_, _, err := f.RegisterApp(t.Context(), account.App{}, somewhere)
			if err == nil {
				t.Fatal("no error")
			}
		}
		for range 3 {
			f.no(register("192.0.2.1"))
		}
		err := register("192.0.2.1")
		f.is(err, account.ErrTooManyTries)
		if account.RetryAfter(err) != time.Hour {
			t.Errorf("retry after %v", account.RetryAfter(err))
		}
		f.no(register("192.0.2.2"))
		for range 5 {
			f.no(register("127.0.0.1"))
		}
		time.Sleep(time.Hour)
		f.no(register("192.0.2.1"))
	})
}

func TestTooManyApps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, account.Closed)
		ctx := t.Context()
		f.Configure(account.Options{Limits: account.Limits{Apps: 2, AppsFrom: 2}})
		ann, used, _ := f.user("ann"), f.app("photos.b"), f.app("photos.b")
		_, _, err := f.NewSession(ctx, account.Session{UserID: ann.ID, AppID: used.ID, Service: "photos.b"})
		f.no(err)
		third := account.App{Service: "photos.b", Name: "App", RedirectURIs: []string{"app://x"}}
		for range 5 { // what fails does not count for the address
			_, _, err = f.RegisterApp(ctx, third, somewhere)
			f.is(err, account.ErrTooManyApps)
		}
		if account.RetryAfter(err) <= 0 {
			t.Error("it does not say when")
		}
		f.app("photos.c") // counts for itself
		time.Sleep(24*time.Hour + time.Second)
		_, _, err = f.RegisterApp(ctx, third, somewhere)
		f.no(err)
		_, err = f.AppByID(ctx, used.ID)
		f.no(err)
		_, _, err = f.RegisterApp(ctx, third, somewhere)
		f.is(err, account.ErrTooManyApps)
	})
}

// After the cost of hashes was changed, signing in brings a password to it.
func TestRehash(t *testing.T) {
	f := newFixture(t, account.Closed)
	ctx := t.Context()
	ann := f.user("ann")
	_, s := f.session(ann, "chat.a")
	signIn := func(password string, hashes int64) {
		t.Helper()
		before := account.Hashes(f.Directory)
		u, err := f.SignIn(ctx, "ann", password, somewhere)
		if err == nil && u != ann {
			t.Fatalf("signed in as %+v", u)
		}
		if n := account.Hashes(f.Directory) - before; n != hashes {
			t.Fatalf("sign-in with %q: %d hashes, want %d", password, n, hashes)
		}
	}
	stored := func() string {
		t.Helper()
		f.no(f.Close())
		st, err := sqlstore.Open(ctx, filepath.Join(f.dir, "accounts.db"), zerolog.Nop())
		f.no(err)
		_, hash, err := st.Credentials(ctx, "ann")
		f.no(err)
		f.no(st.Close())
		f.start(account.Closed)
		return hash
	}
	signIn("password of ann", 1)
	account.SetHashCost(f.Directory, 3)
	signIn("wrong", 1)
	signIn("password of ann", 2)
	signIn("password of ann", 1)
	if hash := stored(); !strings.Contains(hash, ",t=3,") {
		t.Fatalf("stored %s", hash)
	}
	signIn("password of ann", 2) // and back
	if hash := stored(); !strings.Contains(hash, ",t=2,") {
		t.Fatalf("stored %s", hash)
	}
	list, err := f.Sessions(ctx, ann.ID, "")
	f.no(err)
	if len(list) != 1 || list[0].ID != s.ID {
		t.Fatalf("sessions %+v", list)
	}
}

// badStore fails to store a hash again.
type badStore struct{ account.Store }

func (badStore) SetHash(context.Context, int64, string, string) error { return fmt.Errorf("no space") }

func TestSignInWhereRehashFails(t *testing.T) {
	f := &fixture{Directory: account.New(), t: t, dir: t.TempDir()}
	account.CheapHashes(f.Directory)
	log := zerolog.New(zerolog.SyncWriter(&f.log))
	f.Configure(account.Options{Log: log, Open: func(ctx context.Context) (account.Store, error) {
		s, err := sqlstore.Open(ctx, filepath.Join(f.dir, "accounts.db"), log)
		return badStore{s}, err
	}})
	defer func() { f.no(f.Close()) }()
	f.user("ann")
	account.SetHashCost(f.Directory, 3)
	_, err := f.SignIn(t.Context(), "ann", "password of ann", somewhere)
	f.no(err)
	if !strings.Contains(f.log.String(), "no space") || strings.Contains(f.log.String(), "argon2") {
		t.Fatalf("log %s", f.log.String())
	}
}
