package postgres_test

import (
	"testing"

	testserver "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqldb/sqldbtest"
)

func TestContract(t *testing.T) {
	urls := map[string]string{} // by place
	sqldbtest.Run(t, func(t *testing.T, place string, o sqldbtest.Options) (sqldb.DB, error) {
		t.Helper()
		if urls[place] == "" {
			urls[place] = testserver.Database(t)
		}
		db, err := postgres.Open(t.Context(), urls[place], postgres.Options{
			Schema: "portico_test", Migrations: o.Migrations, Log: o.Log, ReadConns: o.ReadConns, Wait: o.Wait,
		})
		if err != nil {
			return nil, err
		}
		return db, nil
	})
}
