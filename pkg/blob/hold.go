package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/durable"
)

// The names in the folder of a Dir that a Hold needs.
const (
	holdName = "hold" // the lease of who has the hold
	heldName = "held" // what would be gone but for the hold
)

// holdPatience is how long a Hold is tried for: a Dir that looks whether there
// is one is in its way for a moment.
const holdPatience = 2 * time.Second

// A Hold keeps the bytes of blobs that are deleted meanwhile, for a backup: its
// owner reads from a database which blobs there are, after the hold began, and
// can read all of those. Nobody else sees them any more. A Hold works across
// processes and ends with its own.
type Hold struct {
	dir   *Dir
	lease *durable.Lease
}

// NewHold takes the hold on the store in the folder root, which may be open
// elsewhere. Only one can have it; another gets an error that matches
// durable.ErrLeased.
func NewHold(root string) (*Hold, error) {
	path := filepath.Join(root, holdName)
	for deadline := time.Now().Add(holdPatience); ; time.Sleep(10 * time.Millisecond) {
		lease, err := durable.Acquire(path)
		if err == nil {
			return &Hold{&Dir{root: root}, lease}, giveTo(path, root)
		}
		if !errors.Is(err, durable.ErrLeased) || time.Now().After(deadline) {
			return nil, fmt.Errorf("hold blobs: %w", err)
		}
	}
}

// giveTo makes the owner of the folder that of the file, which root may have
// made: else the daemon could not look at it.
func giveTo(path, dir string) error {
	fi, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(path, int(st.Uid), int(st.Gid)); err != nil {
			return fmt.Errorf("hold blobs: %w", err)
		}
	}
	return nil
}

// Open opens a blob, also one that was deleted since the hold began. It returns
// ErrNotFound where there was none.
func (h *Hold) Open(id ID) (*os.File, error) {
	// Twice, because it may be moved between the first look and the second.
	for _, path := range []string{h.dir.path(id), h.dir.heldPath(id), h.dir.path(id)} {
		f, err := os.Open(path)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("open blob: %w", err)
		}
	}
	return nil, fmt.Errorf("%w: %v", ErrNotFound, id)
}

// Size is how many bytes a blob has that Open would open.
func (h *Hold) Size(id ID) (int64, error) {
	for _, path := range []string{h.dir.path(id), h.dir.heldPath(id), h.dir.path(id)} {
		fi, err := os.Stat(path)
		if err == nil {
			return fi.Size(), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("look at blob: %w", err)
		}
	}
	return 0, fmt.Errorf("%w: %v", ErrNotFound, id)
}

// Release ends the hold; what was deleted meanwhile goes. It must be called once.
func (h *Hold) Release() error {
	err := os.RemoveAll(filepath.Join(h.dir.root, heldName))
	return errors.Join(err, h.lease.Release())
}

func (d *Dir) heldPath(id ID) string { return filepath.Join(d.root, heldName, id.String()) }

// drop removes the file of a blob, or puts it aside while there is a hold. Whoever
// looks just before the hold begins has taken the blob out of its records before:
// who has the hold will not ask for it.
func (d *Dir) drop(id ID) error {
	if !durable.Leased(filepath.Join(d.root, holdName)) {
		return os.Remove(d.path(id))
	}
	if _, err := os.Lstat(d.path(id)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(d.root, heldName), 0o700); err != nil {
		return err
	}
	return os.Rename(d.path(id), d.heldPath(id))
}

// bury removes what a hold that ended, or died, has left.
func (d *Dir) bury() error {
	if durable.Leased(filepath.Join(d.root, holdName)) {
		return nil
	}
	return os.RemoveAll(filepath.Join(d.root, heldName))
}
