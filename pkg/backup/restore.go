package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/durable"
)

// Unfinished is the file in a data folder that is being filled by a restore which
// could not make it beside. A daemon must not start on it.
const Unfinished = "RESTORING"

// spare is how much room is left beside what a restore takes.
const spare = 16 << 20

// RestoreOptions say where a backup goes. Known and Dir are required.
type RestoreOptions struct {
	Known    Known
	Dir      string   // the data folder to be
	Force    bool     // what is there is put aside
	Owner    *Owner   // of the files; nil: that of the folder, if there is one
	Progress Progress // nil: nobody is told

	inside bool // tests: as if nothing could be beside the folder
}

// Owner of files.
type Owner struct{ UID, GID int }

// A Restored is what became of a restore.
type Restored struct {
	Checked
	Aside string // where the folder from before is; "": there was none
}

// Restore verifies the backup at name, or the stream r where it is not nil, and
// makes it the data folder, whole or not at all.
func Restore(ctx context.Context, o RestoreOptions, name string, r io.Reader) (done Restored, err error) {
	p, err := newPlace(o)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	g := &reading{ctx: ctx, progress: o.Progress, what: "restoring", work: p.work.path, begin: p.begin, file: p.file}
	if done.Checked, err = g.run(name, r); err != nil {
		return done, p.full(err)
	}
	if err := p.finish(ctx, done.Header); err != nil {
		return done, p.full(err)
	}
	done.Aside, err = p.putInPlace(time.Now())
	return done, err
}

// A place is a data folder to be.
type place struct {
	o      RestoreOptions
	dir    string         // of the data
	was    os.FileInfo    // nil: there is no such folder yet
	lease  *durable.Lease // of the folder, if there is one
	old    []string       // what is in it
	inside bool           // the work is done in the folder, because nothing can be beside it
	work   *workDir
	stage  string
}

func newPlace(o RestoreOptions) (p *place, err error) {
	p = &place{o: o}
	if p.dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("find the data folder: %w", err)
	}
	if real, err := filepath.EvalSymlinks(p.dir); err == nil {
		p.dir = real
	}
	if err := p.look(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	if err := p.findRoom(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.stage = filepath.Join(p.work.path, "data")
	if err := os.Mkdir(p.stage, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("restore: %w", err), p.close())
	}
	return p, nil
}

// look refuses a folder that is in use, or has something in it.
func (p *place) look() error {
	fi, err := os.Stat(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := durable.MkdirAll(filepath.Dir(p.dir), 0o755); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if !fi.IsDir() {
		return fmt.Errorf("%s is a file; name the data folder with --data-dir", p.dir)
	}
	p.was = fi
	p.lease, err = durable.Acquire(filepath.Join(p.dir, "lock"))
	if errors.Is(err, durable.ErrLeased) {
		return fmt.Errorf("a portico runs on %s: %w; stop it first", p.dir, err)
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for _, e := range entries {
		if n := e.Name(); n != "lock" && n != "lost+found" && !strings.HasPrefix(n, aside) && !strings.HasPrefix(n, workPrefix) {
			p.old = append(p.old, n)
		}
	}
	if len(p.old) > 0 && !p.o.Force {
		return fmt.Errorf("%s: %w, such as %s; restore into another folder with --data-dir, or put this one aside with --force", p.dir, ErrExists, p.old[0])
	}
	return nil
}

// findRoom makes the folder to work in: beside the data folder, so that it can be
// exchanged, or in it where it is a disk of its own or the one above belongs to
// others.
func (p *place) findRoom() (err error) {
	above := filepath.Dir(p.dir)
	if p.was != nil {
		up, err := os.Stat(above)
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		p.inside = p.o.inside || device(up) != device(p.was)
	}
	if !p.inside {
		p.work, err = newWork(above)
		if err == nil || p.was == nil || !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
			return err
		}
		p.inside = true
	}
	p.work, err = newWork(p.dir)
	return err
}

func device(fi os.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev) //nolint:unconvert // not so on all systems
	}
	return 0
}

// begin refuses what the program does not know enough for, or there is no room for.
func (p *place) begin(h Header) error {
	if err := h.check(p.o.Known); err != nil {
		return err
	}
	if free, ok := room(p.work.path); ok && free < h.Bytes+spare {
		return fmt.Errorf("there is no room: the data takes %d MiB and %s has %d MiB; make room, or restore elsewhere with --data-dir", h.Bytes>>20, filepath.Dir(p.work.path), free>>20)
	}
	return nil
}

func (p *place) file(name string, size int64, r io.Reader) (err error) {
	full := filepath.Join(p.stage, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	f, err := os.OpenFile(full, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return exactly(f, r, size)
}

// full says what to do about a full disk.
func (p *place) full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("there is no room in %s: %w; make room, or restore elsewhere with --data-dir. Nothing has changed", filepath.Dir(p.work.path), err)
	}
	return err
}

// finish makes a data folder of what was unpacked.
func (p *place) finish(ctx context.Context, h Header) error {
	layout, err := readLayout(p.stage, p.o.Known.Layout)
	if err != nil || layout != h.Layout {
		return damaged("the layout of its data is not what it says: %v", err)
	}
	for _, d := range h.Databases {
		schema, _, err := verifyDatabase(ctx, filepath.Join(p.stage, filepath.FromSlash(d.Path)))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if schema != d.Schema {
			return damaged("the schema of %s is number %d and not %d", d.Path, schema, d.Schema)
		}
		if err := p.mark(d.Path); err != nil {
			return err
		}
	}
	if err := p.own(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := syncTree(p.stage); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// mark tells the service that has the database that it went back in time.
func (p *place) mark(database string) error {
	for dir := path.Dir(database); dir != "."; dir = path.Dir(dir) {
		if m := p.o.Known.Folder(dir).Mark; m != "" {
			if err := os.WriteFile(filepath.Join(p.stage, dir, m), nil, 0o600); err != nil {
				return fmt.Errorf("restore: %w", err)
			}
		}
	}
	return nil
}

// own gives the files to whom the folder belongs. Only root can.
func (p *place) own() error {
	o := p.o.Owner
	if o == nil && p.was != nil {
		if st, ok := p.was.Sys().(*syscall.Stat_t); ok {
			o = &Owner{int(st.Uid), int(st.Gid)}
		}
	}
	if p.was != nil {
		if err := os.Chmod(p.stage, p.was.Mode().Perm()); err != nil {
			return err
		}
	}
	if o == nil || os.Geteuid() != 0 {
		return nil
	}
	if p.inside { // else it goes with the old folder
		if err := os.Lchown(filepath.Join(p.dir, "lock"), o.UID, o.GID); err != nil {
			return err
		}
	}
	return filepath.WalkDir(p.stage, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, o.UID, o.GID)
	})
}

// putInPlace is the last step. Beside the folder it is one rename; in it, it is
// many, and a file says so until all are done.
func (p *place) putInPlace(now time.Time) (old string, err error) {
	if p.inside {
		return p.fill(now)
	}
	above := filepath.Dir(p.dir)
	if p.was == nil {
		if err := os.Rename(p.stage, p.dir); err != nil {
			return "", fmt.Errorf("restore: %w", err)
		}
		return "", durable.SyncDir(above)
	}
	old = p.dir + "." + aside + now.UTC().Format(stamp)
	if exists(old) {
		return "", fmt.Errorf("restore: %s: %w", old, ErrExists)
	}
	// By its name now what it will be a moment later: else a crash could leave the
	// old folder among what the next restore clears away.
	if err := os.Rename(p.stage, old); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	if err := swap(old, p.dir); err != nil {
		return "", errors.Join(fmt.Errorf("restore: %w", err), os.RemoveAll(old))
	}
	if err := durable.SyncDir(above); err != nil {
		return "", err
	}
	if len(p.old) > 0 {
		return old, nil
	}
	// What an earlier restore put aside may lie in it: it goes only where nothing is
	// left, which the last call finds out.
	_ = errors.Join(os.Remove(filepath.Join(old, "lock")), os.Remove(filepath.Join(old, "lost+found")))
	if os.Remove(old) != nil {
		return old, nil
	}
	return "", nil
}

// swap exchanges two folders.
func swap(a, b string) error {
	if ok, err := exchange(a, b); ok || err != nil {
		return err
	}
	third := a + ".tmp"
	if err := os.Rename(b, third); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return errors.Join(err, os.Rename(third, b))
	}
	return os.Rename(third, a)
}

// fill moves the new files into the folder, after the old ones were put aside.
func (p *place) fill(now time.Time) (old string, err error) {
	if err := durable.WriteFile(filepath.Join(p.dir, Unfinished), 0o600, nil); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	if len(p.old) > 0 {
		old = filepath.Join(p.dir, aside+now.UTC().Format(stamp))
		if err := os.Mkdir(old, 0o700); err != nil {
			return "", fmt.Errorf("restore: %w", err)
		}
		if err := moveAll(p.dir, old, func(name string) bool { return slices.Contains(p.old, name) && name != Unfinished }); err != nil {
			return "", err
		}
	}
	if err := moveAll(p.stage, p.dir, func(string) bool { return true }); err != nil {
		return old, err
	}
	if err := os.Remove(filepath.Join(p.dir, Unfinished)); err != nil {
		return old, fmt.Errorf("restore: %w", err)
	}
	return old, durable.SyncDir(p.dir)
}

func moveAll(from, to string, which func(name string) bool) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for _, e := range entries {
		if !which(e.Name()) {
			continue
		}
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return errors.Join(durable.SyncDir(to), durable.SyncDir(from))
}

// close clears what is left of the work, and lets go of the folder.
func (p *place) close() error {
	var errs []error
	if p.work != nil {
		errs = append(errs, p.work.close())
	}
	if p.lease != nil {
		errs = append(errs, p.lease.Release())
	}
	return errors.Join(errs...)
}
