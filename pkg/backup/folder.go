package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/durable"
)

// stamp is how a backup in a folder of them is named.
const stamp = "2006-01-02T15-04-05Z"

var stamped = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$`)

// list returns the complete backups in a folder, the newest last.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the folder of backups: %w", err)
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() || !stamped.MatchString(e.Name()) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, e.Name(), sumsName)); err == nil {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out, nil
}

// folder is the sink that makes a folder. Blobs that the backup before has, whole,
// are links to its files: they never change.
type folder struct {
	root   string
	before string   // "": none
	listed *sumList // what is in that
	bytes  int64
}

func (f *folder) path(p string) string { return filepath.Join(f.root, filepath.FromSlash(p)) }

func (f *folder) put(p string, _ int64, r io.Reader) (err error) {
	name := f.path(p)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return writeError(err)
	}
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return writeError(err)
	}
	n, err := io.Copy(out, r)
	f.bytes += n
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return writeError(err)
}

func (f *folder) link(p string, id blob.ID, size int64) (bool, error) {
	// One that was damaged when it was written has another sum in the list.
	if f.before == "" || !f.listed.has(p, id) {
		return false, nil
	}
	old := filepath.Join(f.before, filepath.FromSlash(p))
	fi, err := os.Lstat(old)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() != size {
		return false, nil
	}
	name := f.path(p)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return false, writeError(err)
	}
	// Where it cannot be a link, it is a copy.
	return os.Link(old, name) == nil, nil
}

// ToFolder makes a backup in a folder of backups, which is made where it is
// missing. It is named by its time, and shares files that have not changed with
// the one before. keep is how many are left, the newest; 0: all. None goes for one
// that is not sound: it may lack what they have.
func ToFolder(ctx context.Context, o *Options, dir string, keep int) (r Report, err error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return r, writeError(err)
	}
	old, err := list(dir)
	if err != nil {
		return r, err
	}
	work, err := newWork(dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(writeOnly(err), work.close()) }()
	to := &folder{root: filepath.Join(work.path, "new")}
	if len(old) > 0 {
		// Where its list cannot be read, nothing of it is trusted: all is copied.
		before := filepath.Join(dir, old[len(old)-1])
		if to.listed, err = openSums(before); err == nil {
			to.before = before
			defer func() { err = errors.Join(err, to.listed.close()) }()
		}
	}
	if r, err = o.make(ctx, work.path, to); err != nil {
		return r, err
	}
	r.Written = to.bytes
	if err := syncTree(to.root); err != nil {
		return r, writeError(err)
	}
	if err := o.readBack(ctx, to.root, to.before, r); err != nil {
		return r, err
	}
	if r.Path, err = settle(to.root, dir, r.Created, old); err != nil {
		return r, err
	}
	if err := durable.SyncDir(dir); err != nil {
		return r, err
	}
	if r.Sound() != nil {
		r.Kept = keep > 0 && len(old) >= keep
		return r, nil
	}
	return r, thin(dir, keep)
}

// settle moves a backup to its name, which is its time. Where the newest has that
// or a later one, because the clock was put back, it is a second later than that:
// the order of the names is that in which the backups were made.
func settle(root, dir string, at time.Time, old []string) (name string, err error) {
	if len(old) > 0 {
		if newest, err := time.Parse(stamp, old[len(old)-1]); err == nil && !at.After(newest) {
			at = newest.Add(time.Second)
		}
	}
	for range 10 {
		name = filepath.Join(dir, at.Format(stamp))
		err = os.Rename(root, name)
		if !errors.Is(err, os.ErrExist) && (err == nil || !exists(name)) {
			break
		}
		err = fmt.Errorf("%s: %w", name, ErrExists)
		at = at.Add(time.Second)
	}
	if err != nil {
		return "", fmt.Errorf("write backup: %w", err)
	}
	return name, nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// thin removes the oldest backups. One that is going is none any more: where the
// work is cut off the next backup goes on with it.
func thin(dir string, keep int) error {
	if keep <= 0 {
		return nil
	}
	all, err := list(dir)
	if err != nil {
		return err
	}
	for _, name := range all[:max(0, len(all)-keep)] {
		going := filepath.Join(dir, workPrefix+name)
		if err = os.Rename(filepath.Join(dir, name), going); err == nil {
			err = clear(going)
		}
		if err != nil {
			return fmt.Errorf("remove an old backup: %w", err)
		}
	}
	return nil
}

// Newest finds the backup that is meant by the name of a folder: itself, or the
// newest in it.
func Newest(name string) (string, error) {
	if exists(filepath.Join(name, headerName)) {
		return name, nil
	}
	all, err := list(name)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", fmt.Errorf("there is no complete backup in %s", strings.TrimSuffix(name, "/"))
	}
	return filepath.Join(name, all[len(all)-1]), nil
}
