package sqlstore_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	testserver "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/accounttest"
	"github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
)

const schema = "portico_accounts"

// open opens the store in a database, once more if wanted: as another node does.
func open(t *testing.T, url string, b bus.Bus, trace func(string)) *sqlstore.Store {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, postgres.Options{
		Schema: schema, Migrations: sqlstore.Migrations(sqldb.Postgres), Log: zerolog.Nop(), Trace: trace,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.On(t.Context(), db, sqlstore.Options{Log: zerolog.Nop(), Bus: b})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The contract holds in PostgreSQL too, and none of the statements that carry it
// out reads a whole table, however large it becomes.
func TestStoreOnPostgres(t *testing.T) {
	var mu sync.Mutex
	urls, texts := map[string]string{}, map[string]bool{}
	accounttest.Run(t, func(t *testing.T, dir string) account.Store {
		t.Helper()
		if urls[dir] == "" {
			urls[dir] = testserver.Database(t)
		}
		return open(t, urls[dir], nil, func(text string) {
			mu.Lock()
			defer mu.Unlock()
			texts[text] = true
		})
	})
	url := testserver.Database(t)
	if err := open(t, url, nil, nil).Close(); err != nil {
		t.Fatal(err)
	}
	scans, n := testserver.Scans(t, url, schema, slices.Collect(maps.Keys(texts)))
	if n < 30 {
		t.Errorf("only %d statements", n)
	}
	for _, text := range testserver.Unseen(t, ".", nil, slices.Collect(maps.Keys(texts))) {
		if !strings.Contains(text, "json_each(") { // SQLite's
			t.Errorf("the contract does not run %s", text)
		}
	}
	for _, s := range scans {
		if !slices.Contains(mayScan, s.Relation) && s.Index != "app_service" {
			t.Error(s)
		}
	}
}

// mayScan are tables that are small. Apps are looked through where they are too many.
var mayScan = []string{"follower", "number", "invite", "portico_schema"}
