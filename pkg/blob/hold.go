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

// Release ends the hold; what was deleted meanwhile goes, what is being deleted
// just now at the next sweep at the latest. It must be called once.
func (h *Hold) Release() error { return errors.Join(h.lease.Release(), h.dir.bury()) }

// empty removes what is held. What comes just now stays for the next time.
func (d *Dir) empty() error {
	held := filepath.Join(d.root, heldName)
	entries, err := os.ReadDir(held)
	for _, e := range entries {
		if rerr := os.Remove(filepath.Join(held, e.Name())); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if rerr := os.Remove(held); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) && !errors.Is(rerr, syscall.ENOTEMPTY) {
		err = errors.Join(err, rerr)
	}
	return err
}

func (d *Dir) heldPath(id ID) string { return filepath.Join(d.root, heldName, id.String()) }

// drop removes the file of a blob, or puts it aside while there is a hold. Whoever
// looks just before the hold begins has taken the blob out of its records before:
// who has the hold will not ask for it.
func (d *Dir) drop(id ID) (err error) {
	for range 3 { // the folder may go when a hold ends
		if !durable.Leased(filepath.Join(d.root, holdName)) {
			return os.Remove(d.path(id))
		}
		if err := os.MkdirAll(filepath.Join(d.root, heldName), 0o700); err != nil {
			return err
		}
		err = os.Rename(d.path(id), d.heldPath(id))
		if !errors.Is(err, fs.ErrNotExist) || !there(d.path(id)) {
			return err
		}
	}
	return fmt.Errorf("put aside for a backup: %v", err) // not as if it were gone
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// bury removes what a hold that ended, or died, has left. It holds what it looks
// at, so that it cannot take what another one needs.
func (d *Dir) bury() error {
	if !there(filepath.Join(d.root, heldName)) {
		return nil
	}
	lease, err := durable.Acquire(filepath.Join(d.root, holdName))
	if errors.Is(err, durable.ErrLeased) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.empty(), lease.Release())
}
