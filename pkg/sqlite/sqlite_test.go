package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

// schema makes migrations of texts, numbered from 1.
func schema(texts ...string) fs.FS {
	m := fstest.MapFS{"README.md": {Data: []byte("ignored")}}
	for i, text := range texts {
		m[fmt.Sprintf("%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

const rowTable = `CREATE TABLE row (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;`

func open(t *testing.T, path string, migrations fs.FS) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: migrations, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func insert(id int, body string) func(*sqldb.Tx) error {
	return func(tx *sqldb.Tx) error {
		_, err := tx.Exec("INSERT INTO row (id, body) VALUES (?, ?)", id, body)
		return err
	}
}

func count(t *testing.T, db *sqlite.DB) (n int) {
	t.Helper()
	err := db.Read(context.Background(), func(q sqldb.Queryer) error {
		return q.QueryRow("SELECT count(*) FROM row").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWriteThenRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?#%", "x.db")
	db := open(t, path, schema(rowTable))
	if err := db.Write(t.Context(), insert(1, "one")); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db); n != 1 {
		t.Fatalf("%d rows, want 1", n)
	}
	if err := db.Write(t.Context(), insert(1, "again")); !errors.Is(err, sqldb.ErrUnique) {
		t.Fatalf("the same key: %v, want ErrUnique", err)
	}
}
