package sqlite_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/pkg/sqlite"
)

func TestIdleReadersAreClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: schema(rowTable)})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if n := db.Stats().Readers; n != 0 {
			t.Fatalf("%d readers before the first read", n)
		}
		count(t, db)
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if n := db.Stats().Readers; n != 1 {
			t.Fatalf("%d readers after a read", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := db.Stats().Readers; n != 0 {
			t.Fatalf("%d readers after half a minute", n)
		}
		count(t, db)
	})
}
