// Package accounttest is the contract of account.Store as a test, for every
// implementation. It tests no rules of the Directory.
package accounttest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porticod/portico/pkg/account"
)

// Open opens the store that lies in dir.
type Open func(t *testing.T, dir string) account.Store

// Run runs the suite against stores in folders of their own.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, *suite){
		"Users":            testUsers,
		"Profile":          testProfile,
		"Preferences":      testPreferences,
		"SetHash":          testSetHash,
		"Generations":      testGenerations,
		"Blocks":           testBlocks,
		"BlockLimit":       testBlockLimit,
		"BlocksOfDeleted":  testBlocksOfDeleted,
		"AppRoom":          testAppRoom,
		"Codes":            testCodes,
		"CodeTwice":        testCodeTwice,
		"CodeOnce":         testCodeOnce,
		"CodeGoes":         testCodeGoes,
		"Followers":        testFollowers,
		"Erasures":         testErasures,
		"NamesNeverAgain":  testNamesNeverAgain,
		"ConcurrentNames":  testConcurrentNames,
		"Invites":          testInvites,
		"Find":             testFind,
		"Sessions":         testSessions,
		"SessionLimit":     testSessionLimit,
		"PasswordEnds":     testPasswordEnds,
		"SuspendAndDelete": testSuspendAndDelete,
		"Apps":             testApps,
		"Changes":          testChanges,
		"Durable":          testDurable,
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{t: t, open: open, dir: t.TempDir()}
			s.start()
			t.Cleanup(func() { s.no(s.Close()) })
			test(t, s)
		})
	}
}

type suite struct {
	account.Store
	t    *testing.T
	open Open
	dir  string

	mu  sync.Mutex
	got []account.Change // guarded by mu; what Notify was told
}

func (s *suite) start() {
	s.Store = s.open(s.t, s.dir)
	s.Notify(func(c account.Change) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, c)
	})
}

func (s *suite) restart() {
	s.t.Helper()
	s.no(s.Close())
	s.start()
}

// told returns what Notify was told since the last call, and checks that the log
// has the same: of each kind for a user, but the ends of sessions, the last.
func (s *suite) told() []account.Change {
	s.t.Helper()
	s.mu.Lock()
	got := s.got
	s.got = nil
	s.mu.Unlock()
	if len(got) == 0 {
		return nil
	}
	var want []account.Change
	for i, c := range got {
		if !slices.ContainsFunc(got[i+1:], func(d account.Change) bool {
			return d.Kind == c.Kind && d.UserID == c.UserID && d.OtherID == c.OtherID && d.SessionID == c.SessionID
		}) {
			want = append(want, c)
		}
	}
	logged, err := s.Changes(s.t.Context(), got[0].Seq-1, len(got))
	s.no(err)
	s.same("log after "+fmt.Sprint(got[0].Seq-1), logged, want)
	return got
}

// kinds checks which changes were told, in order.
func (s *suite) kinds(want ...account.ChangeKind) {
	s.t.Helper()
	var got []account.ChangeKind
	for _, c := range s.told() {
		got = append(got, c.Kind)
	}
	s.same("changes", got, want)
}

func (s *suite) no(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *suite) is(err, want error) {
	s.t.Helper()
	if !errors.Is(err, want) {
		s.t.Fatalf("error %v, want %v", err, want)
	}
}

func (s *suite) same(what string, got, want any) {
	s.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		s.t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func at() time.Time { return time.UnixMilli(time.Now().UnixMilli()).UTC() }

func (s *suite) user(username, name string) account.User {
	s.t.Helper()
	u, err := s.AddUser(s.t.Context(), account.User{Username: username, Name: name, Role: account.RoleUser, CreatedAt: at(), Generation: 1}, "hash of "+username, nil)
	s.no(err)
	return u
}

func tokenOf(id string) account.Hash {
	var h account.Hash
	copy(h[:], id)
	return h
}

func (s *suite) session(u account.User, id, service string) account.Session {
	s.t.Helper()
	v := account.Session{ID: id, UserID: u.ID, Service: service, Device: "phone", Scopes: "read write", CreatedAt: at(), SeenAt: at()}
	s.no(s.AddSession(s.t.Context(), v, tokenOf(id), 0, 100))
	return v
}

func testUsers(t *testing.T, s *suite) {
	ctx := t.Context()
	ann, bob := s.user("ann", "Ann"), s.user("bob", "")
	if ann.ID>>16 < ann.CreatedAt.UnixMilli() || bob.ID <= ann.ID {
		t.Fatalf("ids %d, %d do not grow with the time", ann.ID, bob.ID)
	}
	u, err := s.UserByID(ctx, ann.ID)
	s.no(err)
	s.same("by id", u, ann)
	u, hash, err := s.Credentials(ctx, "bob")
	s.no(err)
	s.same("by name", u, bob)
	s.same("hash", hash, "hash of bob")
	_, err = s.UserByID(ctx, 1)
	s.is(err, account.ErrNotFound)
	_, _, err = s.Credentials(ctx, "carl")
	s.is(err, account.ErrNotFound)
	us, err := s.UsersByID(ctx, []int64{bob.ID, 1, ann.ID, bob.ID})
	s.no(err)
	slices.SortFunc(us, func(a, b account.User) int { return int(a.ID - b.ID) })
	s.same("by ids", us, []account.User{ann, bob})
	us, err = s.UsersByID(ctx, nil)
	s.no(err)
	if len(us) != 0 {
		t.Fatalf("no ids: %v", us)
	}
	us, err = s.ListUsers(ctx, "", 1)
	s.no(err)
	s.same("first page", us, []account.User{ann})
	us, err = s.ListUsers(ctx, "ann", 10)
	s.no(err)
	s.same("second page", us, []account.User{bob})
}

func testProfile(t *testing.T, s *suite) {
	ctx := t.Context()
	ann := s.user("ann", "Ann")
	name, about := "Ann B.", "two\nlines"
	_, err := s.SetProfile(ctx, ann.ID, account.ProfileEdit{Name: &name})
	s.no(err)
	u, err := s.SetProfile(ctx, ann.ID, account.ProfileEdit{About: &about})
	s.no(err)
	ann.Name, ann.About = name, about
	s.same("profile", u, ann)
	s.kinds(account.Profile, account.Profile)
	s.no(s.SetRole(ctx, ann.ID, account.RoleAdmin))
	ann.Role = account.RoleAdmin
	s.no(s.SetRole(ctx, ann.ID, account.RoleAdmin)) // changes nothing
	s.kinds(account.RoleSet)
	u, err = s.UserByID(ctx, ann.ID)
	s.no(err)
	s.same("stored profile", u, ann)
	_, err = s.SetProfile(ctx, 1, account.ProfileEdit{Name: &name})
	s.is(err, account.ErrNotFound)
	s.is(s.SetRole(ctx, 1, account.RoleAdmin), account.ErrNotFound)
}

func testNamesNeverAgain(t *testing.T, s *suite) {
	ctx := t.Context()
	ann := s.user("ann", "Ann")
	_, err := s.AddUser(ctx, account.User{Username: "ann", Role: account.RoleUser, CreatedAt: at()}, "h", nil)
	s.is(err, account.ErrTaken)
	s.no(s.DeleteUser(ctx, ann.ID))
	s.restart()
	_, err = s.AddUser(ctx, account.User{Username: "ann", Role: account.RoleUser, CreatedAt: at()}, "h", nil)
	s.is(err, account.ErrTaken)
	if bob := s.user("bob", ""); bob.ID <= ann.ID {
		t.Fatalf("id %d after %d", bob.ID, ann.ID)
	}
	// A clock that went back does not give ids again.
	carl, err := s.AddUser(ctx, account.User{Username: "carl", Role: account.RoleUser, CreatedAt: time.UnixMilli(1).UTC()}, "h", nil)
	s.no(err)
	if carl.ID <= ann.ID {
		t.Fatalf("id %d after %d", carl.ID, ann.ID)
	}
}

func testConcurrentNames(t *testing.T, s *suite) {
	const n = 30
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids, taken := map[int64]bool{}, 0
	for i := range n {
		wg.Go(func() {
			u, err := s.AddUser(t.Context(), account.User{Username: fmt.Sprint("u", i%(n/2)), Role: account.RoleUser, CreatedAt: at()}, "h", nil)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				ids[u.ID] = true
			case errors.Is(err, account.ErrTaken):
				taken++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(ids) != n/2 || taken != n/2 {
		t.Fatalf("%d ids and %d taken, want %d each", len(ids), taken, n/2)
	}
}

func testInvites(t *testing.T, s *suite) {
	ctx := t.Context()
	add := func(name string, code account.Hash) error {
		_, err := s.AddUser(ctx, account.User{Username: name, Role: account.RoleUser, CreatedAt: at()}, "h", &code)
		return err
	}
	twice, old := tokenOf("twice"), tokenOf("old")
	s.no(s.AddInvite(ctx, twice, 2, time.Time{}))
	s.no(s.AddInvite(ctx, old, 2, at().Add(-time.Second)))
	s.no(add("a1", twice))
	s.is(add("a1", twice), account.ErrTaken) // costs no use
	s.is(add("a2", tokenOf("unknown")), account.ErrInvite)
	s.is(add("a2", old), account.ErrInvite)
	_, _, err := s.Credentials(ctx, "a2")
	s.is(err, account.ErrNotFound)
	s.restart()
	s.no(add("a2", twice))
	s.is(add("a3", twice), account.ErrInvite)
}

func testFind(t *testing.T, s *suite) {
	ctx := t.Context()
	s.user("ann", "Zoe")
	s.user("anna", "Ünal Ann")
	s.user("bob_a", "Joanna")
	s.user("carl", "100% ÄRA")
	hidden := s.user("annz", "")
	gone := s.user("annx", "")
	s.no(s.SetSuspended(ctx, hidden.ID, true))
	s.no(s.DeleteUser(ctx, gone.ID))
	for q, want := range map[string][]string{
		"ann": {"ann", "anna", "bob_a"}, "ünal": {"anna"}, "%": {"carl"}, "_": nil,
		"ära": {"carl"}, "nna": {"bob_a"}, "carl": {"carl"}, "'": nil,
	} {
		us, err := s.FindUsers(ctx, q, 10)
		s.no(err)
		var got []string
		for _, u := range us {
			got = append(got, u.Username)
		}
		s.same("search for "+q, got, want)
	}
	us, err := s.FindUsers(ctx, "a", 2)
	s.no(err)
	if len(us) != 2 {
		t.Fatalf("%d found with limit 2", len(us))
	}
}
