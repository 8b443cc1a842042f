package backup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/backup"
	"github.com/porticod/portico/pkg/durable"
)

// aBackup is an archive of a small shop.
func aBackup(t *testing.T) string {
	t.Helper()
	s := newShop(t)
	s.sell("one")
	s.sell("two")
	r, err := backup.ToFile(t.Context(), s.options(), filepath.Join(t.TempDir(), "a.tar.zst"), false)
	if err != nil {
		t.Fatal(err)
	}
	return r.Path
}

func TestRestoreRefuses(t *testing.T) {
	name := aBackup(t)
	above := t.TempDir()
	dir := filepath.Join(above, "data")
	write(t, filepath.Join(dir, "VERSION"), "1")
	before := tree(t, above)
	o := backup.RestoreOptions{Known: known, Dir: dir}
	check := func(what string, want error, text string) {
		t.Helper()
		_, err := backup.Restore(t.Context(), o, name, nil)
		if want != nil && !errors.Is(err, want) || err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", what, err)
		}
		delete(before, "data/lock")
		after := tree(t, above)
		delete(after, "data/lock")
		if len(before) != len(after) {
			t.Errorf("%s: there is %v now", what, after)
		}
	}
	check("not empty", backup.ErrExists, "--force")
	o.Force = true
	lease, err := durable.Acquire(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	check("a daemon runs", durable.ErrLeased, "stop it first")
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	o.Known.Folder = func(string) backup.Folder {
		return backup.Folder{Databases: []backup.Database{{Path: "shop.db", Schema: 0}}}
	}
	check("newer schema", backup.ErrNewer, "shop/one/shop.db is number 1 (portico 1.2.3), this program knows up to 0")
	o.Known.Layout = 0
	check("newer layout", backup.ErrNewer, "layout 1 (portico 1.2.3), this program knows up to 0")
	o.Known = known
	o.Dir = filepath.Join(dir, "VERSION")
	check("a file", nil, "is a file")
}

// With force the folder from before is whole, aside.
func TestRestoreAside(t *testing.T) {
	name := aBackup(t)
	for _, inside := range []bool{false, true} {
		above := t.TempDir()
		dir := filepath.Join(above, "data")
		write(t, filepath.Join(dir, "VERSION"), "old")
		write(t, filepath.Join(dir, "deep/file"), "old")
		if err := os.Chmod(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		done, err := backup.Restore(t.Context(), backup.Inside(backup.RestoreOptions{Known: known, Dir: dir, Force: true}, inside), name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o750 {
			t.Errorf("mode %v, %v", fi.Mode(), err)
		}
		if n := whole(t, dir); n != 2 {
			t.Errorf("%d wares", n)
		}
		old := tree(t, done.Aside)
		delete(old, "lock")
		if len(old) != 2 || old["VERSION"] != "-rw------- old" || old["deep/file"] != "-rw------- old" {
			t.Errorf("aside is %v", old)
		}
		if got := filepath.Dir(done.Aside); got != map[bool]string{true: dir, false: above}[inside] {
			t.Errorf("inside %v: aside is in %s", inside, got)
		}
		for _, pattern := range []string{".portico*", "*/.portico*", "*/RESTORING"} {
			if names, _ := filepath.Glob(filepath.Join(above, pattern)); len(names) != 0 {
				t.Errorf("left: %v", names)
			}
		}
	}
}

// A folder that is there and empty, as a mounted disk, is filled.
func TestRestoreIntoEmpty(t *testing.T) {
	name := aBackup(t)
	for _, inside := range []bool{false, true} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil && inside {
			t.Fatal(err)
		}
		done, err := backup.Restore(t.Context(), backup.Inside(backup.RestoreOptions{Known: known, Dir: dir}, inside), name, nil)
		if err != nil || done.Aside != "" || whole(t, dir) != 2 {
			t.Errorf("inside %v: %+v, %v", inside, done, err)
		}
	}
}

// What an earlier restore put aside is nobody's to remove, also where nothing else
// is in the folder.
func TestRestoreLeavesWhatIsAside(t *testing.T) {
	name := aBackup(t)
	for _, inside := range []bool{false, true} {
		above := t.TempDir()
		dir := filepath.Join(above, "data")
		write(t, filepath.Join(dir, "before-restore-2026/chat"), "precious")
		done, err := backup.Restore(t.Context(), backup.Inside(backup.RestoreOptions{Known: known, Dir: dir}, inside), name, nil)
		if err != nil || whole(t, dir) != 2 {
			t.Fatalf("inside %v: %+v, %v", inside, done, err)
		}
		if inside {
			done.Aside = dir // it lies where it lay
		}
		if b, err := os.ReadFile(filepath.Join(done.Aside, "before-restore-2026/chat")); err != nil || string(b) != "precious" {
			t.Errorf("inside %v: it is gone: %q, %v", inside, b, err)
		}
	}
}

// A restore that is cut off changes nothing.
func TestRestoreCutOff(t *testing.T) {
	name := aBackup(t)
	above := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	o := backup.RestoreOptions{Known: known, Dir: filepath.Join(above, "data"), Progress: func(string, int64, int64) { cancel() }}
	if _, err := backup.Restore(ctx, o, name, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cut off: %v", err)
	}
	empty(t, above)
}

func TestRestoreOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root gives files away")
		return
	}
	name := aBackup(t)
	dir := filepath.Join(t.TempDir(), "data")
	o := backup.RestoreOptions{Known: known, Dir: dir, Owner: &backup.Owner{UID: 1234, GID: 4321}}
	if _, err := backup.Restore(t.Context(), o, name, nil); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{".", "VERSION", "shop/one", "shop/one/RESTORED"} {
		if uid, gid := ids(t, filepath.Join(dir, p)); uid != 1234 || gid != 4321 {
			t.Errorf("%s belongs to %d:%d", p, uid, gid)
		}
	}
	// And the folder's own owner is kept.
	for _, inside := range []bool{false, true} {
		o := backup.Inside(backup.RestoreOptions{Known: known, Dir: dir, Force: true}, inside)
		done, err := backup.Restore(t.Context(), o, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(done.Aside); err != nil {
			t.Fatal(err)
		}
		if uid, _ := ids(t, filepath.Join(dir, "shop/one/shop.db")); uid != 1234 {
			t.Errorf("it belongs to %d", uid)
		}
	}
	if uid, _ := ids(t, filepath.Join(dir, "lock")); uid != 1234 {
		t.Errorf("a daemon could not take its lock: it belongs to %d", uid)
	}
}
