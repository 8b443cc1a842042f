package account_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/sqlstore"
)

var somewhere = netip.MustParseAddr("192.0.2.1")

// fixture is a Directory over a real store, and what it logged.
type fixture struct {
	*account.Directory
	t   *testing.T
	dir string
	log bytes.Buffer
}

func newFixture(t *testing.T, r account.Registration) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir()}
	f.start(r)
	t.Cleanup(func() { f.no(f.Close()) })
	return f
}

func (f *fixture) start(r account.Registration) {
	f.Directory = account.New()
	account.CheapHashes(f.Directory)
	f.configure(r)
}

func (f *fixture) configure(r account.Registration) {
	log := zerolog.New(zerolog.SyncWriter(&f.log))
	f.Configure(account.Options{
		Open: func(ctx context.Context) (account.Store, error) {
			return sqlstore.Open(ctx, filepath.Join(f.dir, "accounts.db"), log)
		},
		Log: log, Registration: r,
	})
}

func (f *fixture) no(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) is(err, want error) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Fatalf("error %v, want %v", err, want)
	}
}

func (f *fixture) user(name string) account.User {
	f.t.Helper()
	u, err := f.AddUser(f.t.Context(), account.NewUser{Username: name, Password: "password of " + name}, account.RoleUser)
	f.no(err)
	return u
}

func (f *fixture) session(u account.User, service string) (string, account.Session) {
	f.t.Helper()
	token, s, err := f.NewSession(f.t.Context(), account.Session{UserID: u.ID, Service: service})
	f.no(err)
	return token, s
}

// restart closes the Directory and opens another over the same data.
func (f *fixture) restart(r account.Registration) {
	f.t.Helper()
	f.no(f.Close())
	f.start(r)
}

func ptr(s string) *string { return &s }

func TestSignUpAndIn(t *testing.T) {
	f := newFixture(t, account.Open)
	ctx := t.Context()
	u, err := f.SignUp(ctx, account.NewUser{Username: "Ann", Password: "correct horse", Name: " Ann ", From: somewhere})
	f.no(err)
	if u.Username != "ann" || u.Name != "Ann" || u.Role != account.RoleUser || u.ID>>16 != u.CreatedAt.UnixMilli() {
		t.Fatalf("signed up as %+v", u)
	}
	_, err = f.SignUp(ctx, account.NewUser{Username: "aNN", Password: "correct horse"})
	f.is(err, account.ErrTaken)
	got, err := f.SignIn(ctx, "ANN", "correct horse", somewhere)
	f.no(err)
	if got != u {
		t.Fatalf("signed in as %+v, want %+v", got, u)
	}
	_, err = f.SignIn(ctx, "ann", "wrong horse", somewhere)
	f.is(err, account.ErrCredentials)
	_, err = f.SignIn(ctx, "nobody", "correct horse", somewhere)
	f.is(err, account.ErrCredentials)

	token, s := f.session(u, "chat.a")
	gotU, gotS, err := f.Verify(ctx, "chat.a", token)
	f.no(err)
	if gotU != u || gotS != s {
		t.Fatalf("verified as %+v %+v", gotU, gotS)
	}
	_, _, err = f.Verify(ctx, "photos.b", token)
	f.is(err, account.ErrToken)
	_, _, err = f.Verify(ctx, "chat.a", token+"x")
	f.is(err, account.ErrToken)
	if strings.Contains(f.log.String(), token) || strings.Contains(f.log.String(), "horse") {
		t.Fatalf("a secret in the log:\n%s", f.log.String())
	}
}
