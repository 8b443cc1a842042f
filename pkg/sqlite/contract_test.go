package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqldb/sqldbtest"
	"github.com/porticod/portico/pkg/sqlite"
)

func TestContract(t *testing.T) {
	sqldbtest.Run(t, func(t *testing.T, place string, o sqldbtest.Options) (sqldb.DB, error) {
		t.Helper()
		db, err := sqlite.Open(t.Context(), filepath.Join(place, "x.db"), sqlite.Options{
			Migrations: o.Migrations, Log: o.Log, ReadConns: o.ReadConns, Wait: o.Wait,
		})
		if err != nil {
			return nil, err
		}
		return db, nil
	})
}
