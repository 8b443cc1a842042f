package sqlstore_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	pgtest "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
	"github.com/porticod/portico/services/chat/store/sqlstore"
	"github.com/porticod/portico/services/chat/store/storetest"
)

const testSchema = "portico_chat_test"

// onPostgres opens a store in a database, as one node of several.
func onPostgres(t testing.TB, url string, opt sqlstore.Options) *sqlstore.Store {
	t.Helper()
	return onPostgresTraced(t, url, opt, nil)
}

func onPostgresTraced(t testing.TB, url string, opt sqlstore.Options, trace func(string)) *sqlstore.Store {
	t.Helper()
	sub, err := sqlstore.Migrations(sqldb.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(context.Background(), url, postgres.Options{Schema: testSchema, Migrations: sub, Log: opt.Log, Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.On(context.Background(), db, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// The contract, and then a look at how PostgreSQL carries out each statement of it:
// none may read a whole table, however large it becomes.
func TestContractOnPostgres(t *testing.T) {
	var mu sync.Mutex
	texts := map[string]bool{}
	trace := func(query string) {
		mu.Lock()
		defer mu.Unlock()
		texts[query] = true
	}
	urls := map[string]string{} // by folder: a suite opens a store again
	storetest.Run(t, func(t *testing.T, dir string, committed func(int64, []store.Event, int64)) store.Store {
		if urls[dir] == "" {
			urls[dir] = pgtest.Database(t)
		}
		return onPostgresTraced(t, urls[dir], sqlstore.Options{Log: zerolog.Nop(), Committed: committed}, trace)
	})
	url := pgtest.Database(t)
	s := onPostgresTraced(t, url, sqlstore.Options{Log: zerolog.Nop()}, trace)
	if _, err := s.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	scans, n := pgtest.Scans(t, url, testSchema, slices.DeleteFunc(slices.Collect(maps.Keys(texts)), func(text string) bool {
		return strings.Contains(text, "pg_") // about the server
	}))
	if n < 80 {
		t.Errorf("only %d statements", n)
	}
	for _, text := range pgtest.Unseen(t, ".", nil, slices.Collect(maps.Keys(texts))) {
		if !slices.ContainsFunc(mayMiss, func(p string) bool { return strings.HasPrefix(text, p) }) {
			t.Errorf("the contract does not run %s", text)
		}
	}
	for _, s := range scans {
		if !slices.Contains(mayScan, s.Relation) {
			t.Error(s)
		}
	}
}

// mayMiss are statements of SQLite, and of what happens once in a while and has tests
// of its own: a new epoch, a move, the end of a node.
var mayMiss = []string{
	"dialect.go: UPDATE sqlite_sequence", "head.go: UPDATE log SET cursor = ? WHERE cursor > ?", "search.go: INSERT INTO search (search,", "words.go: INSERT INTO search (rowid,",
	"dialect.go: SELECT setval(", "head.go: UPDATE log SET epoch", "head.go: SELECT epoch FROM log", "moved.go: ", "lead.go: DELETE FROM leases",
}

// mayScan are tables of one row, and lists of work that are read from anywhere.
var mayScan = []string{"log", "leases", "loose", "erasures", "portico_schema"}
