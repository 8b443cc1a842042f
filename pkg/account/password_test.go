package account_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/pkg/account"
)

// The one test with the real argon2.
func TestRealHash(t *testing.T) {
	f := &fixture{Directory: account.New(), t: t, dir: t.TempDir()}
	f.configure(account.Open)
	defer f.Close()
	ctx := t.Context()
	_, err := f.SignUp(ctx, account.NewUser{Username: "ann", Password: "correct horse"})
	f.no(err)
	_, err = f.SignIn(ctx, "ann", "correct horse", somewhere)
	f.no(err)
	_, err = f.SignIn(ctx, "ann", "correct horsf", somewhere)
	f.is(err, account.ErrCredentials)
}

// An unknown name costs as much as a wrong password, so that the time does not
// tell who has an account.
func TestSameWorkForUnknownNames(t *testing.T) {
	f := newFixture(t, account.Open)
	f.user("ann")
	gone := f.user("gone")
	f.no(f.Delete(t.Context(), gone.ID))
	for _, c := range []struct{ name, password string }{
		{"ann", "wrong password"},
		{"ann", ""},
		{"ann", strings.Repeat("x", 100_000)},
		{"nobody", "password of ann"},
		{"gone", "password of gone"},
		{"", "password of ann"},
		{"NO such\x00name" + strings.Repeat("x", 1000), "password of ann"},
	} {
		before := account.Hashes(f.Directory)
		_, err := f.SignIn(t.Context(), c.name, c.password, somewhere)
		f.is(err, account.ErrCredentials)
		if n := account.Hashes(f.Directory) - before; n != 1 {
			t.Errorf("sign-in as %.20q: %d hashes, want 1", c.name, n)
		}
	}
}

func TestHashesAreBounded(t *testing.T) {
	f := newFixture(t, account.Open)
	f.user("ann")
	release := account.HoldHashes(f.Directory)
	var once sync.Once
	defer once.Do(release)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range account.MaxHashesQueued {
		wg.Go(func() {
			_, err := f.SignIn(ctx, strings.Repeat("x", i+1), "password", somewhere)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("sign-in that was given up: %v", err)
			}
		})
	}
	deadline := time.Now().Add(time.Minute)
	for account.HashesQueued(f.Directory) < account.MaxHashesQueued {
		if time.Now().After(deadline) {
			t.Fatal("they do not queue")
		}
		time.Sleep(time.Millisecond)
	}
	_, err := f.SignIn(t.Context(), "ann", "password of ann", somewhere)
	if !errors.Is(err, account.ErrBusy) || account.RetryAfter(err) <= 0 {
		t.Errorf("one too many: %v", err)
	}
	cancel()
	wg.Wait()
	once.Do(release)
	// What did not get its turn does not count as a failure.
	_, err = f.SignIn(t.Context(), "ann", "password of ann", somewhere)
	f.no(err)
}

func TestTooManyTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, account.Open)
		ctx := t.Context()
		f.user("ann")
		f.user("bob")
		for range 20 { // right ones do not count
			_, err := f.SignIn(ctx, "ann", "password of ann", somewhere)
			f.no(err)
		}
		for range 10 {
			_, err := f.SignIn(ctx, "Ann", "wrong", somewhere)
			f.is(err, account.ErrCredentials)
			time.Sleep(time.Second)
		}
		before := account.Hashes(f.Directory)
		_, err := f.SignIn(ctx, "ann", "password of ann", somewhere)
		f.is(err, account.ErrTooManyTries)
		if after := account.RetryAfter(err); after != 10*time.Minute-10*time.Second {
			t.Errorf("retry after %v", after)
		}
		if account.Hashes(f.Directory) != before {
			t.Error("a refused try costs a hash")
		}
		_, err = f.SignIn(ctx, "ann", "password of ann", somewhere.Next())
		f.no(err) // who is elsewhere is not locked out
		_, err = f.SignIn(ctx, "bob", "password of bob", somewhere)
		f.no(err)
		time.Sleep(10*time.Minute - 10*time.Second)
		_, err = f.SignIn(ctx, "ann", "password of ann", somewhere)
		f.no(err)
	})
}

func TestChangePassword(t *testing.T) {
	f := newFixture(t, account.Open)
	ctx := t.Context()
	ann := f.user("ann")
	here, hereSession := f.session(ann, "chat.a")
	there, _ := f.session(ann, "photos.b")
	for _, token := range []string{here, there} { // into the cache
		_, _, err := f.Verify(ctx, map[string]string{here: "chat.a", there: "photos.b"}[token], token)
		f.no(err)
	}
	f.is(f.SetPassword(ctx, ann.ID, "wrong", "battery staple", hereSession.ID), account.ErrCredentials)
	var inv *account.Invalid
	if err := f.SetPassword(ctx, ann.ID, "password of ann", "short", ""); !errors.As(err, &inv) {
		t.Fatalf("a short one: %v", err)
	}
	f.no(f.SetPassword(ctx, ann.ID, "password of ann", "battery staple", hereSession.ID))
	_, _, err := f.Verify(ctx, "chat.a", here)
	f.no(err)
	_, _, err = f.Verify(ctx, "photos.b", there)
	f.is(err, account.ErrToken)
	_, err = f.SignIn(ctx, "ann", "password of ann", somewhere)
	f.is(err, account.ErrCredentials)
	f.restart(account.Open)
	_, err = f.SignIn(ctx, "ann", "battery staple", somewhere)
	f.no(err)
	f.no(f.ResetPassword(ctx, ann.ID, "correct horse"))
	_, _, err = f.Verify(ctx, "chat.a", here)
	f.is(err, account.ErrToken)
	f.is(f.ResetPassword(ctx, 1, "correct horse"), account.ErrNotFound)
	f.is(f.CheckPassword(ctx, ann.ID, "battery staple"), account.ErrCredentials)
	f.no(f.CheckPassword(ctx, ann.ID, "correct horse"))
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$$")
	f.Add("")
	f.Fuzz(func(_ *testing.T, s string) { account.ParsePHC(s) })
}
