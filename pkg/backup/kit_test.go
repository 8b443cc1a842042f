package backup_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/backup"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

// known is a program with one kind of service, whose database refers to blobs.
var known = backup.Known{Program: "1.2.3", Layout: 1, Folder: func(dir string) backup.Folder {
	if dir != "shop/one" {
		return backup.Folder{}
	}
	return backup.Folder{
		Databases: []backup.Database{{Path: "shop.db", Schema: 1, Blobs: "blobs", Refs: []backup.Column{{Table: "wares", Name: "hash"}, {Table: "later", Name: "hash"}}}},
		Leave:     []string{"cache"},
		Mark:      "RESTORED",
	}
}}

// A shop is a data folder and the running service in it.
type shop struct {
	t     *testing.T
	dir   string
	db    *sqlite.DB
	blobs *blob.Dir
	n     int
}

const wares = `CREATE TABLE wares (id INTEGER PRIMARY KEY, hash TEXT NOT NULL) STRICT;`

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, dir: filepath.Join(t.TempDir(), "data")}
	write(t, filepath.Join(s.dir, "VERSION"), "1\n")
	var err error
	s.db, err = sqlite.Open(t.Context(), filepath.Join(s.dir, "shop/one/shop.db"), sqlite.Options{
		Migrations: fstest.MapFS{"0001_first.sql": {Data: []byte(wares)}}, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	if s.blobs, err = blob.OpenDir(filepath.Join(s.dir, "shop/one/blobs")); err != nil {
		t.Fatal(err)
	}
	return s
}

// sell puts something in, its bytes first.
func (s *shop) sell(text string) blob.ID {
	s.t.Helper()
	id, _, err := s.blobs.Put(s.t.Context(), strings.NewReader(text), 1<<30)
	if err == nil {
		err = s.db.Write(s.t.Context(), func(tx *sqldb.Tx) error {
			s.n++
			_, err := tx.Exec("INSERT INTO wares VALUES (?, ?)", s.n, id.String())
			return err
		})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// drop takes something out, its row first.
func (s *shop) drop(id blob.ID) {
	s.t.Helper()
	err := s.db.Write(s.t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec("DELETE FROM wares WHERE hash = ?", id.String())
		return err
	})
	if err = errors.Join(err, s.blobs.Delete(s.t.Context(), id)); err != nil {
		s.t.Fatal(err)
	}
}

// await waits until so much was written.
func (s *shop) await(commits int64) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); s.db.Stats().Commits < commits; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("only %d commits", s.db.Stats().Commits)
		}
	}
}

func (s *shop) options() *backup.Options { return &backup.Options{Known: known, Dir: s.dir} }

func blobName(id blob.ID) string {
	h := id.String()
	return filepath.Join("shop/one/blobs", h[:2], h[2:4], h)
}

// tree is what lies below a folder: the files with their modes and contents;
// databases only by name.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fi, err := e.Info()
		text := string(b)
		if strings.HasPrefix(text, "SQLite format 3") {
			text = "database"
		}
		rel, _ := filepath.Rel(dir, name)
		out[rel] = fmt.Sprintf("%v %s", fi.Mode(), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", dir, diff)
	}
}

// empty checks that nothing is left in a folder, not even by a hidden name.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("left in %s: %v, %v", dir, entries, err)
	}
}

// hashes are what the restored database refers to.
func hashes(t *testing.T, dir string) (out []string) {
	t.Helper()
	f, err := sqlite.OpenFile(filepath.Join(dir, "shop/one/shop.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Texts(t.Context(), "wares", "hash", func(h string) error { out = append(out, h); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func restore(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := backup.Restore(t.Context(), backup.RestoreOptions{Known: known, Dir: dir}, name, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// whole checks that each blob that the database refers to is there.
func whole(t *testing.T, dir string) (n int) {
	t.Helper()
	for _, h := range hashes(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, "shop/one/blobs", h[:2], h[2:4], h))
		sum := sha256.Sum256(b)
		if err != nil || hex.EncodeToString(sum[:]) != h {
			t.Errorf("%s: %v, %x", h, err, sum)
		}
		n++
	}
	return n
}
