package account_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/rs/zerolog"

	testserver "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
)

// nodes are Directories over one database, as two portico have them.
func nodes(t *testing.T) (a, b *fixture) {
	t.Helper()
	url, local := testserver.Database(t), new(bus.Local)
	node := func() *fixture {
		f := &fixture{t: t, Directory: account.New()}
		account.CheapHashes(f.Directory)
		member := local.Node()
		f.Configure(account.Options{Registration: account.Open, Open: func(ctx context.Context) (account.Store, error) {
			db, err := postgres.Open(ctx, url, postgres.Options{
				Schema: postgres.SchemaName("accounts"), Migrations: sqlstore.Migrations(sqldb.Postgres), Log: zerolog.Nop(),
			})
			if err != nil {
				return nil, err
			}
			return sqlstore.On(ctx, db, sqlstore.Options{Bus: member})
		}})
		f.no(f.Ready(t.Context()))
		t.Cleanup(func() {
			f.no(f.Close())
			f.no(member.Close())
		})
		return f
	}
	return node(), node()
}

// What a node has in memory goes when another one changes it.
func TestNodesForget(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	a, b := nodes(t)
	for name, c := range map[string]struct {
		change func(u account.User, s account.Session) error
		want   error // what Verify says then
	}{
		"ended":     {func(u account.User, s account.Session) error { return a.EndSession(ctx, u.ID, "chat.a", s.ID) }, account.ErrToken},
		"allended":  {func(u account.User, _ account.Session) error { return a.EndSessions(ctx, u.ID, "", "") }, account.ErrToken},
		"suspended": {func(u account.User, _ account.Session) error { return a.Suspend(ctx, u.ID) }, account.ErrSuspended},
		"reset":     {func(u account.User, _ account.Session) error { return a.ResetPassword(ctx, u.ID, "another password") }, account.ErrToken},
		"deleted":   {func(u account.User, _ account.Session) error { return a.Delete(ctx, u.ID) }, account.ErrToken},
	} {
		u := a.user(name)
		token, s := a.session(u, "chat.a")
		for range 2 { // the second from memory
			_, _, err := b.Verify(ctx, "chat.a", token)
			b.no(err)
		}
		a.no(c.change(u, s))
		wait.Until(t, name+" is known to the other node", func() bool {
			_, _, err := b.Verify(ctx, "chat.a", token)
			return errors.Is(err, c.want)
		})
	}
}

// What a node shows of a user, and whom it takes for signed in, follows.
func TestNodesRenew(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	a, b := nodes(t)
	ann, bob := a.user("ann"), a.user("bob")
	token, s := a.session(ann, "chat.a")
	seen := func() account.User {
		u, _, err := b.Verify(ctx, "chat.a", token)
		b.no(err)
		return u
	}
	if seen() != ann {
		t.Fatal("not signed in at the other node")
	}
	_, err := a.UpdateUser(ctx, ann.ID, ptr("Ann"), nil)
	a.no(err)
	a.no(a.SetRole(ctx, ann.ID, account.RoleAdmin))
	wait.Until(t, "the profile is new", func() bool { u := seen(); return u.Name == "Ann" && u.Role == account.RoleAdmin })

	// Nothing but the generation changes: there are no other sessions.
	a.no(a.EndSessions(ctx, ann.ID, "", s.ID))
	wait.Works(t, "who stayed signed in may sign in elsewhere", func() error {
		_, _, err := b.StartSession(ctx, seen(), account.Session{Service: "photos.b"})
		return err
	})

	blocked := func(want bool) func() bool {
		return func() bool {
			got, err := b.Blocked(ctx, ann.ID, bob.ID)
			b.no(err)
			return got == want
		}
	}
	wait.Until(t, "not blocked", blocked(false))
	a.no(a.Block(ctx, bob.ID, ann.ID))
	wait.Until(t, "blocked", blocked(true))
	a.no(a.Unblock(ctx, bob.ID, ann.ID))
	wait.Until(t, "not blocked any more", blocked(false))
	a.no(a.Block(ctx, ann.ID, bob.ID))
	wait.Until(t, "blocked again", blocked(true))
	a.no(a.Delete(ctx, bob.ID))
	wait.Until(t, "nobody is left to block", func() bool {
		set, err := b.BlockedSet(ctx, ann.ID)
		b.no(err)
		return len(set.All()) == 0 || !set.Has(ann.ID)
	})
}

// Failed sign-ins and sign-ups count on all nodes.
func TestNodesCount(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	a, b := nodes(t)
	ann := a.user("ann")
	for range 10 {
		_, err := a.SignIn(ctx, "ANN", "wrong", somewhere)
		a.is(err, account.ErrCredentials)
	}
	wait.Until(t, "the other node has counted them", func() bool {
		_, err := b.SignIn(ctx, "ann", "password of ann", somewhere)
		return errors.Is(err, account.ErrTooManyTries) && account.RetryAfter(err) > 0
	})
	if _, err := b.SignIn(ctx, "ann", "password of ann", netip.MustParseAddr("192.0.2.2")); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	b.is(b.CheckPassword(ctx, ann.ID, "wrong"), account.ErrCredentials)

	for i := range 20 {
		_, err := b.SignUp(ctx, account.NewUser{Username: fmt.Sprint("u", i), Password: "correct horse", From: somewhere})
		b.no(err)
	}
	n := 0
	wait.Until(t, "sign-ups are counted too", func() bool {
		n++
		_, err := a.SignUp(ctx, account.NewUser{Username: fmt.Sprint("v", n), Password: "correct horse", From: somewhere})
		return errors.Is(err, account.ErrTooManyTries)
	})
	for range 60 {
		_, _, err := b.RegisterApp(ctx, account.App{Service: "photos.b", Name: "App", RedirectURIs: []string{"app://x"}}, somewhere)
		b.no(err)
	}
	wait.Until(t, "registrations are counted too", func() bool {
		_, _, err := a.RegisterApp(ctx, account.App{Service: "photos.b", Name: "App", RedirectURIs: []string{"app://x"}}, somewhere)
		return errors.Is(err, account.ErrTooManyTries)
	})
}
