package backup_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/porticod/portico/pkg/backup"
)

// small mounts a file system of 24 MB, if the test may.
func small(t *testing.T) (dir string, ok bool) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Logf("cannot mount: %v", err)
		return "", false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir, true
}

// On a disk without room nothing is left of a backup or a restore, what was there
// is untouched, and the message says what to do.
func TestFullDisk(t *testing.T) {
	dir, ok := small(t)
	if !ok {
		return
	}
	s := newShop(t)
	noise := make([]byte, 26<<20)
	rand.Read(noise)
	s.sell(string(noise))
	says := func(what string, err error, text string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", what, err)
		}
		entries, rerr := os.ReadDir(dir)
		if rerr != nil || len(entries) != 0 {
			t.Errorf("%s: left %v, %v", what, entries, rerr)
		}
	}
	_, err := backup.ToFile(t.Context(), s.options(), filepath.Join(dir, "a.tar.zst"), false)
	says("to a file", err, "no room for the backup")
	_, err = backup.ToFolder(t.Context(), s.options(), dir, 0)
	says("to a folder", err, "no room for the backup")

	// A file system of its own is filled from inside.
	r, err := backup.ToFile(t.Context(), s.options(), filepath.Join(t.TempDir(), "a.tar.zst"), false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = backup.Restore(t.Context(), backup.RestoreOptions{Known: known, Dir: dir}, r.Path, nil)
	if rerr := os.Remove(filepath.Join(dir, "lock")); rerr != nil {
		t.Error(rerr)
	}
	says("restore", err, "no room")

	little := newShop(t)
	little.sell("x")
	if r, err = backup.ToFile(t.Context(), little.options(), filepath.Join(t.TempDir(), "b.tar"), false); err != nil {
		t.Fatal(err)
	}
	done, err := backup.Restore(t.Context(), backup.RestoreOptions{Known: known, Dir: dir}, r.Path, nil)
	if err != nil || done.Aside != "" || whole(t, dir) != 1 {
		t.Errorf("where there is room: %+v, %v", done, err)
	}
}
