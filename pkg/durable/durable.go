// Package durable makes files that are there after a power loss, or not at all.
// It does not lock what it writes against other writers, and it keeps no data of
// its own.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile puts data into the file at path, whole or not at all: it writes a
// temporary file in the same folder, syncs it, renames it over path and syncs
// the folder. When it returns nil the file survives a power loss. When it fails
// before the rename, what was at path is untouched and the temporary file is
// gone. When only the last sync fails the new content is visible, but not yet
// known to be durable. A crash in between may leave a file .NAME.tmp-* behind.
func WriteFile(path string, perm fs.FileMode, data []byte) error {
	return Write(path, perm, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Write is WriteFile for content that fill produces. An error of fill leaves
// what was at path untouched.
func Write(path string, perm fs.FileMode, fill func(w io.Writer) error) error {
	dir, base := filepath.Split(filepath.Clean(path))
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+base+".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := finish(f, perm, fill); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return SyncDir(dir)
}

// finish fills, syncs and closes f. It always closes it.
func finish(f *os.File, perm fs.FileMode, fill func(w io.Writer) error) (err error) {
	// A failed close may be the only sign that the bytes did not get through
	// (network file systems), so it counts.
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	// CreateTemp made it 0600; the umask does not apply to Chmod, as it should
	// be for a mode that the caller chose.
	if err := f.Chmod(perm); err != nil {
		return err
	}
	return f.Sync()
}

// Sync makes the content of the existing file at path durable, but not its name:
// for that the folder must be synced too.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// SyncDir makes the names in the folder dir durable: files that were made,
// renamed or removed there.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// MkdirAll makes the folder dir and those above it that are missing, with perm
// before the umask, and syncs every folder that got a new name in it.
func MkdirAll(dir string, perm fs.FileMode) error {
	dir = filepath.Clean(dir)
	switch info, err := os.Stat(dir); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("make folder %s: a file is in the way", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("make folder: %w", err)
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	// Somebody else may have made it meanwhile; its name is synced all the same.
	if err := os.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	return SyncDir(parent)
}
