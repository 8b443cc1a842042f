package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/sqldb"
)

// What was deleted is in no file once the log was scrubbed.
func TestScrub(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, schema(rowTable))
	if err := db.Write(t.Context(), insert(1, strings.Repeat("xylophone", 500))); err != nil {
		t.Fatal(err)
	}
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec("DELETE FROM row")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	holds := func() bool {
		for _, name := range []string{path, path + "-wal"} {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte("xylophone")) {
				return true
			}
		}
		return false
	}
	if !holds() {
		t.Error("this test finds nothing")
	}
	if err := db.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if holds() {
		t.Error("deleted words are still on the disk")
	}
	if err := db.Write(t.Context(), insert(2, "more")); err != nil || count(t, db) != 1 {
		t.Errorf("after it: %v", err)
	}
}
