package backup

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/durable"
)

// workPrefix begins the names of folders in which backups and restores are made.
const workPrefix = ".portico-work-"

// A workDir is where something is made that is then moved away whole. Those of
// processes that were killed go when the next one is made beside them.
type workDir struct {
	path  string
	lease *durable.Lease
}

func newWork(parent string) (w *workDir, err error) {
	old, err := filepath.Glob(filepath.Join(escape(parent), workPrefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("make a folder to work in: %w", err)
	}
	for _, dir := range old {
		_ = clear(dir) // it is at work, or only clutter
	}
	for range 100 {
		if w, err = tryWork(parent); err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, durable.ErrLeased) {
			break
		} // else another process cleared it away before it was leased
	}
	return w, err
}

func tryWork(parent string) (w *workDir, err error) {
	dir, err := os.MkdirTemp(parent, workPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a folder to work in: %w", err)
	}
	lease, err := durable.Acquire(filepath.Join(dir, "lock"))
	if err == nil {
		// The lease may be of a file that is gone.
		if _, err = os.Lstat(filepath.Join(dir, "lock")); err == nil {
			return &workDir{dir, lease}, nil
		}
		err = errors.Join(err, lease.Release())
	}
	_ = os.Remove(dir) // not what is in it: that is somebody else's
	return nil, fmt.Errorf("make a folder to work in: %w", err)
}

// clear removes a folder whose owner has died, or which has none yet.
func clear(dir string) error {
	// Where there is no lock yet the owner may be about to make it: an empty folder
	// can go, for that one notices.
	if os.Remove(dir) == nil {
		return nil
	}
	lease, err := durable.Acquire(filepath.Join(dir, "lock"))
	if err != nil {
		return err
	}
	return errors.Join(removeAll(dir), lease.Release())
}

// escape makes a pattern of a path that matches only the path.
func escape(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

func (w *workDir) close() error {
	return errors.Join(removeAll(w.path), w.lease.Release())
}

// removeAll removes a folder also where somebody who wants to clear it away makes
// a lock in it meanwhile.
func removeAll(dir string) (err error) {
	for range 10 {
		if err = os.RemoveAll(dir); !errors.Is(err, syscall.ENOTEMPTY) {
			break
		}
	}
	return err
}

// archive is the sink that makes a tar archive.
type archive struct {
	t   *tar.Writer
	now time.Time
}

func (a *archive) put(path string, size int64, r io.Reader) error {
	if err := a.t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path, Size: size, Mode: 0o600, ModTime: a.now}); err != nil {
		return writeError(err)
	}
	_, err := io.Copy(a.t, r)
	return writeError(err)
}

func (a *archive) link(string, blob.ID, int64) (bool, error) { return false, nil }

// writeError says what to do about a full disk.
func writeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("there is no room for the backup: %w; make room, or name another place. Nothing is left of it", err)
	}
	return fmt.Errorf("write backup: %w", err)
}

// pack writes an archive to w.
func (o *Options) pack(ctx context.Context, work string, w io.Writer, compress bool) (r Report, err error) {
	out := w
	var z *zstd.Encoder
	if compress {
		// Pictures do not become smaller: the fastest level passes them through.
		if z, err = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20)); err != nil {
			return r, fmt.Errorf("write backup: %w", err)
		}
		out = z
	}
	a := &archive{t: tar.NewWriter(out), now: time.Now().UTC().Truncate(time.Second)}
	r, err = o.make(ctx, work, a)
	if err == nil {
		err = writeError(a.t.Close())
	}
	if z != nil {
		// Without the end of the archive, nobody takes it for whole.
		if cerr := z.Close(); err == nil {
			err = writeError(cerr)
		}
	}
	return r, err
}

// ToStream writes an archive to w, which it does not read back. Copies of the
// databases lie in the folder temp meanwhile.
func ToStream(ctx context.Context, o *Options, w io.Writer, temp string) (r Report, err error) {
	work, err := newWork(temp)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(writeOnly(err), work.close()) }()
	slow := newLetGoWriter(ctx, w)
	defer slow.end()
	out := &counter{w: slow}
	buf := bufio.NewWriterSize(out, 1<<20)
	if r, err = o.pack(ctx, work.path, buf, true); err != nil {
		return r, err
	}
	err = writeError(buf.Flush())
	r.Written = out.n
	return r, err
}

// writeOnly gives the errors of copying databases the advice about full disks
// too.
func writeOnly(err error) error {
	if err != nil && errors.Is(err, syscall.ENOSPC) && !strings.Contains(err.Error(), "no room for the backup") {
		return writeError(err)
	}
	return err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Compressed reports whether an archive of that name is compressed; ok is false
// for names that are no archive's.
func Compressed(name string) (compressed, ok bool) {
	switch {
	case strings.HasSuffix(name, ".tar.zst"):
		return true, true
	case strings.HasSuffix(name, ".tar"):
		return false, true
	}
	return false, false
}

// ToFile writes an archive, reads it back and gives it its name, whole or not at
// all. With force it replaces what has the name.
func ToFile(ctx context.Context, o *Options, name string, force bool) (r Report, err error) {
	if _, err := os.Lstat(name); err == nil && !force {
		return r, fmt.Errorf("%s: %w; name another file, or replace it with --force", name, ErrExists)
	}
	if _, err := os.Stat(filepath.Dir(name)); err != nil {
		return r, fmt.Errorf("write backup: %w; make the folder first", err)
	}
	work, err := newWork(filepath.Dir(name))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(writeOnly(err), work.close()) }()
	tmp := filepath.Join(work.path, "archive")
	compress, _ := Compressed(name)
	if r, err = o.packFile(ctx, work.path, tmp, compress); err != nil {
		return r, err
	}
	if err := o.readBack(ctx, tmp, "", r); err != nil {
		return r, err
	}
	r.Path = name
	return r, publish(tmp, name, force)
}

// publish gives a file its name. Without force it takes nobody's place, not even
// of one that came meanwhile.
func publish(tmp, name string, force bool) error {
	var err error
	if force {
		err = os.Rename(tmp, name)
	} else if err = os.Link(tmp, name); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", name, ErrExists)
	} else if err != nil {
		err = os.Rename(tmp, name) // a file system without links
	}
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return durable.SyncDir(filepath.Dir(name))
}

func (o *Options) packFile(ctx context.Context, work, tmp string, compress bool) (r Report, err error) {
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return r, writeError(err)
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = writeError(cerr)
		}
	}()
	out := &counter{w: f}
	buf := bufio.NewWriterSize(out, 1<<20)
	if r, err = o.pack(ctx, work, buf, compress); err != nil {
		return r, err
	}
	if err := buf.Flush(); err != nil {
		return r, writeError(err)
	}
	r.Written = out.n
	return r, writeError(f.Sync())
}

// readBack reads a backup as a restore would, and compares it with what was
// written. Files that the one before has too were read back then.
func (o *Options) readBack(ctx context.Context, name, before string, r Report) error {
	g := &reading{
		ctx: ctx, progress: o.Progress, what: "verifying", work: filepath.Dir(name), before: before, cold: true,
		begin: func(Header) error { return nil }, file: discard,
	}
	got, err := g.run(name, nil)
	if err != nil {
		return fmt.Errorf("what was written cannot be read back: %w; is the disk well?", err)
	}
	if got.Sum != r.Sum {
		return errors.New("what was written is not what can be read back; is the disk well?")
	}
	return nil
}
