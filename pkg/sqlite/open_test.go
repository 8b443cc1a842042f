package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

const addColumn = `ALTER TABLE row ADD COLUMN extra TEXT NOT NULL DEFAULT 'new';`

func TestMigrateOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, schema(rowTable))
	if err := db.Write(t.Context(), insert(1, "one")); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, schema(rowTable, addColumn, `UPDATE row SET extra = 'newer';`))
	var extra string
	err := db.Read(t.Context(), func(q sqldb.Queryer) error {
		return q.QueryRow("SELECT extra FROM row WHERE id = 1").Scan(&extra)
	})
	if err != nil || extra != "newer" {
		t.Fatalf("extra %q, error %v", extra, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	// The backup is a whole database of the schema before, private.
	backup := path + ".v1.bak"
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("backup: %v, %v", info, err)
	}
	if n := count(t, open(t, backup, schema(rowTable))); n != 1 {
		t.Fatalf("%d rows in the backup", n)
	}
	names, err := filepath.Glob(path + "*tmp*")
	if err != nil || len(names) != 0 {
		t.Fatalf("left behind: %v", names)
	}

	// And the older program refuses what is newer, saying what to do.
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{Migrations: schema(rowTable)})
	if !errors.Is(err, sqldb.ErrNewer) {
		t.Fatalf("newer data: %v", err)
	}
	for _, part := range []string{path, "schema is number 3", "up to 1", "x.db.v1.bak"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("message %q does not name %q", err, part)
		}
	}
}

func TestMigrateFailing(t *testing.T) {
	for name, bad := range map[string]string{
		"syntax":       `UPDATE row SET body = 'changed'; NONSENSE;`,
		"broken refer": `CREATE TABLE child (row INTEGER REFERENCES row (id)); INSERT INTO child VALUES (99);`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			db := open(t, path, schema(rowTable))
			if err := errors.Join(db.Write(t.Context(), insert(1, "one")), db.Close()); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time over the backup of the first
				_, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: schema(rowTable, bad)})
				if err == nil || !strings.Contains(err.Error(), "0002_step.sql") {
					t.Fatalf("error %v does not name the migration", err)
				}
			}
			db = open(t, path, schema(rowTable)) // the old program still works
			var body string
			err := db.Read(t.Context(), func(q sqldb.Queryer) error {
				return q.QueryRow("SELECT body FROM row").Scan(&body)
			})
			if err != nil || body != "one" {
				t.Fatalf("body %q, error %v", body, err)
			}
		})
	}
}

func TestMigrationsWithAGap(t *testing.T) {
	gap := fstest.MapFS{"0001_a.sql": {Data: []byte(rowTable)}, "0003_b.sql": {}}
	_, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{Migrations: gap})
	if err == nil || !strings.Contains(err.Error(), "0003_b.sql is not number 0002") {
		t.Fatalf("error %v", err)
	}
}

func TestForeignKeysHold(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema(rowTable, `CREATE TABLE child (row INTEGER NOT NULL REFERENCES row (id));`))
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec("INSERT INTO child VALUES (99)")
		return err
	})
	if !errors.Is(err, sqldb.ErrConstraint) {
		t.Fatalf("error %v", err)
	}
}

func TestDurableSettings(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), nil)
	var mode string
	var sync, secure int
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		return errors.Join(
			tx.QueryRow("PRAGMA journal_mode").Scan(&mode),
			tx.QueryRow("PRAGMA synchronous").Scan(&sync),
			tx.QueryRow("PRAGMA secure_delete").Scan(&secure))
	})
	if err != nil || mode != "wal" || sync != 2 || secure != 1 {
		t.Fatalf("journal %q, synchronous %d, secure_delete %d, error %v", mode, sync, secure, err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, nil)
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{Log: zerolog.Nop()})
	if !errors.Is(err, durable.ErrLeased) || !strings.Contains(err.Error(), "another part of this process") {
		t.Fatalf("error %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path, nil)
}

func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{Log: zerolog.Nop()})
	if !errors.Is(err, sqldb.ErrCorrupt) {
		t.Fatalf("error %v", err)
	}
	// A failed open holds nothing.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	open(t, path, nil)
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	db := open(t, filepath.Join(dir, "x.db"), schema(rowTable))
	if err := db.Write(t.Context(), insert(1, "x")); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) < 4 {
		t.Fatalf("files %v, error %v", names, err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}
