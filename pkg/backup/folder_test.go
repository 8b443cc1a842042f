package backup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/backup"
	"github.com/porticod/portico/pkg/blob"
)

// What the next backup has too takes no room twice, and the oldest go.
func TestFolderOfBackups(t *testing.T) {
	s := newShop(t)
	to := filepath.Join(t.TempDir(), "backups")
	var ids []blob.ID
	var last backup.Report
	for i := range 3 {
		ids = append(ids, s.sell(strings.Repeat(fmt.Sprint("ware ", i), 1000)))
		r, err := backup.ToFolder(t.Context(), s.options(), to, 2)
		if err != nil {
			t.Fatal(err)
		}
		if r.Linked != int64(i) {
			t.Errorf("backup %d: %d files are links", i, r.Linked)
		}
		last = r
	}
	entries, err := os.ReadDir(to)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v", entries, err)
	}
	newest, err := backup.Newest(to)
	if err != nil || newest != last.Path {
		t.Fatalf("newest %s, %v", newest, err)
	}
	if n := whole(t, restore(t, newest)); n != 3 {
		t.Errorf("%d wares", n)
	}
	// Links end at what was restored: using it does not change the backup.
	restored := restore(t, newest)
	write(t, filepath.Join(restored, blobName(ids[0])), "changed")
	if _, err := backup.Check(t.Context(), newest, nil, known, nil); err != nil {
		t.Error(err)
	}
}

// Where the clock was put back, and within a second, the last backup is the newest
// all the same, and not one of those that go.
func TestNewestIsTheLastOne(t *testing.T) {
	s := newShop(t)
	to := t.TempDir()
	for i := range 4 {
		r, err := backup.ToFolder(t.Context(), s.options(), to, 1)
		if err != nil {
			t.Fatal(err)
		}
		if newest, err := backup.Newest(to); err != nil || newest != r.Path {
			t.Fatalf("%s was made, the newest is %s, %v", r.Path, newest, err)
		}
		if i == 2 {
			if err := os.Rename(r.Path, filepath.Join(to, "2099-12-31T23-59-59Z")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The last good backup does not go for one of a data folder that is not whole.
func TestGoodBackupStays(t *testing.T) {
	s := newShop(t)
	s.sell("first")
	to := t.TempDir()
	file := ""
	for i, c := range []struct {
		ware, says string
		left       int
	}{
		{"", "", 1}, {"rotten", "older backups were not removed", 2}, {"half", "older backups were not removed", 3}, {"second", "", 1},
	} {
		if file != "" {
			write(t, file, c.ware)
		}
		r, err := backup.ToFolder(t.Context(), s.options(), to, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Sound(); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("backup %d: %v", i, err)
		}
		if entries, err := os.ReadDir(to); err != nil || len(entries) != c.left {
			t.Errorf("backup %d: left %v, %v", i, entries, err)
		}
		if file == "" {
			file = filepath.Join(s.dir, blobName(s.sell("second")))
		}
	}
}

// A damaged file is not taken over from the backup before as if it were whole:
// each backup in a folder tells of it, has what it says, and has the mended one.
func TestDamagedDataIsNotShared(t *testing.T) {
	s := newShop(t)
	for i := range 20 { // before and behind it
		s.sell(fmt.Sprint("ware ", i))
	}
	rotten := s.sell("rotten")
	file := filepath.Join(s.dir, blobName(rotten))
	write(t, file, "ROTTEN")
	to := t.TempDir()
	next := func(linked int64) backup.Report {
		t.Helper()
		r, err := backup.ToFolder(t.Context(), s.options(), to, 0)
		if err != nil {
			t.Fatal(err)
		}
		if r.Linked != linked {
			t.Errorf("%d files are links, want %d", r.Linked, linked)
		}
		if _, err := backup.Check(t.Context(), r.Path, nil, known, nil); err != nil {
			t.Error(err)
		}
		return r
	}
	for linked := range int64(2) {
		if r := next(20 * linked); r.Sound() == nil || len(r.Damaged) != 1 || !strings.HasSuffix(r.Damaged[0], rotten.String()) {
			t.Errorf("damaged: %+v", r)
		}
	}
	write(t, file, "rotten")
	for linked := range int64(2) {
		r := next(20 + linked)
		if err := r.Sound(); err != nil {
			t.Error(err)
		}
		if n := whole(t, restore(t, r.Path)); n != 21 {
			t.Errorf("%d wares", n)
		}
	}
}

// A backup before of which the list cannot be read stops no later one: that has
// everything itself, and the next one shares files with it.
func TestUnreadableListBefore(t *testing.T) {
	s := newShop(t)
	for i := range 3 {
		s.sell(fmt.Sprint("ware ", i))
	}
	to := t.TempDir()
	for i, linked := range []int64{0, 0, 3} {
		r, err := backup.ToFolder(t.Context(), s.options(), to, 0)
		if err != nil || r.Linked != linked {
			t.Fatalf("backup %d: %d files are links, want %d; %v", i, r.Linked, linked, err)
		}
		if n := whole(t, restore(t, r.Path)); n != 3 {
			t.Errorf("backup %d: %d wares", i, n)
		}
		if i > 0 {
			continue
		}
		list := filepath.Join(r.Path, "SHA256SUMS")
		if err := os.Remove(list); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("nowhere", list); err != nil { // root may read all but this
			t.Fatal(err)
		}
	}
}
