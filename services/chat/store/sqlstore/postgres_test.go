package sqlstore_test

import (
	"context"
	"testing"

	"github.com/rs/zerolog"

	pgtest "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
	"github.com/porticod/portico/services/chat/store/sqlstore"
	"github.com/porticod/portico/services/chat/store/storetest"
)

// onPostgres opens a store in a database, as one node of several.
func onPostgres(t testing.TB, url string, opt sqlstore.Options) *sqlstore.Store {
	t.Helper()
	sub, err := sqlstore.Migrations(sqldb.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(context.Background(), url, postgres.Options{Schema: "portico_chat_test", Migrations: sub, Log: opt.Log})
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

func TestContractOnPostgres(t *testing.T) {
	urls := map[string]string{} // by folder: a suite opens a store again
	storetest.Run(t, func(t *testing.T, dir string, committed func(int64, []store.Event, int64)) store.Store {
		if urls[dir] == "" {
			urls[dir] = pgtest.Database(t)
		}
		return onPostgres(t, urls[dir], sqlstore.Options{Log: zerolog.Nop(), Committed: committed})
	})
}
