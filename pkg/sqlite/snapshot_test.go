package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

func snapshot(t *testing.T, path string) *sqlite.Snapshot {
	t.Helper()
	s, err := sqlite.NewSnapshot(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func noProgress(int64) {}

// rowsOf counts the rows of a copy, whose pages are all in order.
func rowsOf(t *testing.T, path string) (n int) {
	t.Helper()
	f, err := sqlite.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := f.Schema(t.Context()); err != nil || v != 1 {
		t.Errorf("schema %d, %v", v, err)
	}
	if err := f.Texts(t.Context(), "row", "body", func(string) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// A moment of two databases: a writer who writes to the one and then to the other
// is never seen to have written only to the second.
func TestSnapshotOfTwo(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")}
	a, b := open(t, paths[0], schema(rowTable)), open(t, paths[1], schema(rowTable))
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	defer writer.Wait()
	defer stop()
	writer.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			body := insert(i, strings.Repeat("x", i%2000)+string(rune('0'+i%10))+time.Now().String())
			if err := errors.Join(a.Write(t.Context(), body), b.Write(t.Context(), body)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 5 {
		both := []*sqlite.Snapshot{snapshot(t, paths[0]), snapshot(t, paths[1])}
		for _, s := range both {
			for deadline := time.Now().Add(time.Minute); ; {
				err := s.Hold(t.Context())
				if err == nil {
					break
				}
				if !errors.Is(err, sqldb.ErrBusy) || time.Now().After(deadline) {
					t.Fatal(err)
				}
			}
		}
		for _, s := range both {
			if err := s.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var counts []int
		for _, s := range both {
			if err := s.Let(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		before := a.Stats().Commits
		for a.Stats().Commits < before+3 { // copied later than it was taken
			time.Sleep(time.Millisecond)
		}
		for i, s := range both {
			dst := filepath.Join(t.TempDir(), "copy.db")
			if err := errors.Join(s.Copy(t.Context(), dst, noProgress), s.Close()); err != nil {
				t.Fatal(err)
			}
			counts = append(counts, rowsOf(t, dst))
			if names, _ := filepath.Glob(dst + "*"); len(names) != 1 {
				t.Errorf("copy %d is more than one file: %v", i, names)
			}
			if fi, err := os.Stat(dst); err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", fi.Mode(), err)
			}
		}
		if d := counts[0] - counts[1]; d != 0 && d != 1 {
			t.Errorf("%d rows in the one and %d in the other", counts[0], counts[1])
		}
	}
}

func TestSnapshotEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if _, err := sqlite.NewSnapshot(t.Context(), path); err == nil {
		t.Fatal("a snapshot of nothing")
	}
	db := open(t, path, schema(rowTable))
	if err := db.Write(t.Context(), insert(1, "one")); err != nil {
		t.Fatal(err)
	}
	s := snapshot(t, path)
	if err := errors.Join(s.Let(t.Context()), s.Take(t.Context())); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dst := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Copy(ctx, dst, noProgress); !errors.Is(err, context.Canceled) {
		t.Errorf("cut off: %v", err)
	}
	if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a copy is left: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), insert(2, "two")); err != nil {
		t.Fatal(err)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, schema(rowTable))
	for i, body := range []string{"b", "a", "b", ""} {
		if err := db.Write(t.Context(), insert(i, body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := sqlite.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []string
	collect := func(s string) error { got = append(got, s); return nil }
	for _, q := range [][2]string{{"row", "body"}, {"row", "none"}, {"none", "body"}} {
		if err := f.Texts(t.Context(), q[0], q[1], collect); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("texts %q", got)
	}
	if n, err := sqldb.Schema(schema(rowTable, addColumn)); n != 2 || err != nil {
		t.Errorf("%d migrations, %v", n, err)
	}
	bad := filepath.Join(t.TempDir(), "bad.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096 + 8; i < len(b); i++ {
		b[i] ^= 0x55
	}
	if err := os.WriteFile(bad, b, 0o600); err != nil {
		t.Fatal(err)
	}
	broken, err := sqlite.OpenFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	if err := broken.Verify(t.Context()); !errors.Is(err, sqldb.ErrCorrupt) {
		t.Errorf("damage: %v", err)
	}
	if !sqlite.IsDatabase(path) || sqlite.IsDatabase(os.Args[0]) || sqlite.IsDatabase(filepath.Join(path, "x")) {
		t.Error("what is a database and what is not")
	}
}
