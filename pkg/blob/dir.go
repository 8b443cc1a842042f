package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/durable"
)

// A Dir is a Store in a folder: ab/cd/abcd... for the blobs, tmp for what is
// being written. One process has it open at a time; who shares a data folder
// holds a lease on it.
type Dir struct {
	root string
	// create makes a temporary file; tests put failing ones in its place.
	create func(dir, pattern string) (tempFile, error)
	// locks[id[0]] is held while a name appears, is made young or goes, so
	// that Sweep and Put cannot overlook each other.
	locks [256]sync.Mutex
}

type tempFile interface {
	io.WriteCloser
	Sync() error
	Name() string
}

var _ Store = (*Dir)(nil)

// OpenDir opens the store in the folder root and makes it if it is missing. It
// removes what an earlier process had not finished writing.
func OpenDir(root string) (*Dir, error) {
	d := &Dir{root: root, create: func(dir, pattern string) (tempFile, error) { return os.CreateTemp(dir, pattern) }}
	if err := os.RemoveAll(d.tmp()); err != nil {
		return nil, fmt.Errorf("clean blob folder: %w", err)
	}
	if err := durable.MkdirAll(d.tmp(), 0o700); err != nil {
		return nil, fmt.Errorf("make blob folder: %w", err)
	}
	if err := d.bury(); err != nil {
		return nil, fmt.Errorf("clean blob folder: %w", err)
	}
	return d, nil
}

// LookDir is the store in the folder root that another process may have open: for
// Open and Walk alone.
func LookDir(root string) *Dir { return &Dir{root: root} }

func (d *Dir) tmp() string { return filepath.Join(d.root, "tmp") }

func (d *Dir) path(id ID) string {
	s := id.String()
	return filepath.Join(d.root, s[:2], s[2:4], s)
}

// Put implements Store.
func (d *Dir) Put(ctx context.Context, r io.Reader, limit int64) (ID, int64, error) {
	f, err := d.create(d.tmp(), "put-*")
	if err != nil {
		return ID{}, 0, fmt.Errorf("store blob: %w", err)
	}
	id, size, err := fill(ctx, f, r, limit)
	if err == nil {
		err = d.publish(f.Name(), id, size)
	}
	if err != nil {
		// Gone already if it was published.
		if rerr := os.Remove(f.Name()); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		return ID{}, 0, err
	}
	return id, size, nil
}

// fill writes r to f, syncs and closes it. It always closes it.
func fill(ctx context.Context, f tempFile, r io.Reader, limit int64) (id ID, size int64, err error) {
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("store blob: %w", cerr)
		}
	}()
	h := sha256.New()
	size, err = Copy(ctx, io.MultiWriter(f, h), r, limit)
	if err != nil {
		return ID{}, 0, err
	}
	if err := f.Sync(); err != nil {
		return ID{}, 0, fmt.Errorf("store blob: %w", err)
	}
	h.Sum(id[:0])
	return id, size, nil
}

// Copy copies until r ends, at most limit bytes, and keeps errors of r, which it
// returns as they are, apart from those of w. It is for those who write a Store.
func Copy(ctx context.Context, w io.Writer, r io.Reader, limit int64) (n int64, err error) {
	buf := make([]byte, 64<<10)
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		k, rerr := r.Read(buf)
		if n += int64(k); n > limit {
			return n, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
		}
		if _, err := w.Write(buf[:k]); err != nil {
			return n, fmt.Errorf("store blob: %w", err)
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, rerr
		}
	}
}

// publish gives a synced temporary file its name, or drops it where the blob is
// there already.
func (d *Dir) publish(tmp string, id ID, size int64) error {
	path := d.path(id)
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("store blob: %w", err)
	}
	mu := &d.locks[id[0]]
	mu.Lock()
	defer mu.Unlock()
	// Another length means that a file system or a person damaged it: replace it.
	if fi, err := os.Stat(path); err == nil && fi.Size() == size {
		now := time.Now()
		if err := os.Chtimes(path, now, now); err != nil {
			return fmt.Errorf("store blob: %w", err)
		}
		return os.Remove(tmp)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("store blob: %w", err)
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		// Not acknowledged, so not there.
		return errors.Join(fmt.Errorf("store blob: %w", err), os.Remove(path))
	}
	return nil
}

// Open implements Store. The File is an *os.File.
func (d *Dir) Open(_ context.Context, id ID) (File, error) {
	f, err := os.Open(d.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %v", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return f, nil
}

// Delete implements Store.
func (d *Dir) Delete(_ context.Context, id ID) error {
	mu := &d.locks[id[0]]
	mu.Lock()
	defer mu.Unlock()
	return d.remove(id)
}

// remove needs the lock of id.
func (d *Dir) remove(id ID) error {
	err := d.drop(id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete blob: %w", err)
	}
	return nil
}

// Walk implements Store. Files that are no blobs are passed over.
func (d *Dir) Walk(ctx context.Context, fn func(Info) error) error {
	return filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // deleted meanwhile
		case err != nil:
			return fmt.Errorf("walk blobs: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir() && path == d.tmp():
			return fs.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		id, err := ParseID(e.Name())
		if err != nil || path != d.path(id) {
			return nil
		}
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("walk blobs: %w", err)
		}
		return fn(Info{ID: id, Size: fi.Size(), Time: fi.ModTime()})
	})
}

// Sweep implements Store.
func (d *Dir) Sweep(ctx context.Context, before time.Time, keep func(ID) (bool, error)) (s Swept, err error) {
	if err := d.bury(); err != nil {
		return s, fmt.Errorf("sweep blobs: %w", err)
	}
	err = d.Walk(ctx, func(i Info) error {
		if !i.Time.Before(before) {
			return nil
		}
		if ok, err := keep(i.ID); err != nil || ok {
			return err
		}
		gone, err := d.removeOld(i.ID, before)
		if gone {
			s.Blobs++
			s.Bytes += i.Size
		}
		return err
	})
	return s, err
}

// removeOld deletes a blob unless it was put again since it was seen.
func (d *Dir) removeOld(id ID, before time.Time) (gone bool, err error) {
	mu := &d.locks[id[0]]
	mu.Lock()
	defer mu.Unlock()
	fi, err := os.Stat(d.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("sweep blobs: %w", err)
	}
	if !fi.ModTime().Before(before) {
		return false, nil
	}
	return true, d.remove(id)
}
