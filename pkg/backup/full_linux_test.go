package backup_test

import (
	"crypto/rand"
	"errors"
	"io/fs"
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

// A backup whose removal is cut off goes with the next one.
func TestThinCutOff(t *testing.T) {
	s := newShop(t)
	s.sell("ware")
	to := t.TempDir()
	next := func() (backup.Report, error) {
		t.Helper()
		return backup.ToFolder(t.Context(), s.options(), to, 1)
	}
	first, err := next()
	if err != nil {
		t.Fatal(err)
	}
	// What somebody has mounted cannot be removed, nor what is in a folder that is
	// not to be written to.
	stuck := filepath.Join(first.Path, "data/shop/one/blobs/stuck")
	write(t, filepath.Join(stuck, "file"), "")
	free := func() error { return nil }
	if os.Geteuid() != 0 {
		err, free = os.Chmod(stuck, 0o500), func() error { return filepath.WalkDir(to, writable) }
	} else if err = syscall.Mount("tmpfs", stuck, "tmpfs", 0, "size=1m"); err == nil {
		free = func() error { return unmountBelow(to) }
	}
	if err != nil {
		t.Logf("nothing keeps a folder from being removed: %v", err)
		return
	}
	t.Cleanup(func() { _ = free() })
	if _, err := next(); err == nil || !strings.Contains(err.Error(), "remove an old backup") {
		t.Errorf("what cannot be removed was: %v", err)
	}
	if err := free(); err != nil {
		t.Fatal(err)
	}
	last, err := next()
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(to); err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(last.Path) {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// writable lets a folder's content be removed.
func writable(name string, e fs.DirEntry, err error) error {
	if err == nil && e.IsDir() {
		err = os.Chmod(name, 0o700) //nolint:gosec // a folder
	}
	return err
}

// unmountBelow unmounts what is mounted below a folder, however it is called now.
func unmountBelow(dir string) error {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			err = errors.Join(err, syscall.Unmount(f[1], syscall.MNT_DETACH))
		}
	}
	return err
}
