package images

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/durable"
)

// A sum is the beginning of the SHA-256 of a file's content.
type sum [12]byte

func (s sum) String() string { return hex.EncodeToString(s[:]) }

func sumOf(b []byte) sum {
	h := sha256.Sum256(b)
	return sum(h[:12])
}

// A diskCache keeps files up to a number of bytes, least recently used first to
// go, and leaves some of the disk free. A file is named KEY-SUM.ext, so that
// damage is found out without an index on disk; deleting any or all files under
// it is safe. Nothing is synced: what a power loss damages is made again.
type diskCache struct {
	dir    string
	free   func(dir string) (int64, error) // bytes left on the disk
	loaded chan struct{}                   // closed when the folder was read

	mu      sync.Mutex
	max     int64                 // guarded by mu: bytes, 0: keeps nothing
	reserve int64                 // guarded by mu: bytes
	bytes   int64                 // guarded by mu: of all entries
	files   map[key]*list.Element // guarded by mu; the values are *entry
	order   *list.List            // guarded by mu; front: used last
	evicted uint64                // guarded by mu
}

// An entry is a file of the cache.
type entry struct {
	key  key
	sum  sum
	ext  string
	size int64
	// good is the file's time when its content was compared with sum; zero: not
	// yet in this process.
	good time.Time
}

func (d *diskCache) path(e *entry) string {
	k := e.key.String()
	return filepath.Join(d.dir, k[:2], k+"-"+e.sum.String()+e.ext)
}

// touchAfter is how old a file's time may be before its use renews it. The time
// is what the order is restored from after a restart.
const touchAfter = time.Hour

func openDisk(dir string, free func(string) (int64, error)) (*diskCache, error) {
	d := &diskCache{
		dir: dir, free: free, loaded: make(chan struct{}),
		files: map[key]*list.Element{}, order: list.New(),
	}
	if err := os.RemoveAll(d.tmp()); err != nil {
		return nil, fmt.Errorf("clean the cache: %w", err)
	}
	if err := durable.MkdirAll(d.tmp(), 0o700); err != nil {
		return nil, fmt.Errorf("make the cache: %w", err)
	}
	return d, nil
}

func (d *diskCache) tmp() string { return filepath.Join(d.dir, "tmp") }

// load reads the names of all files. Until it is done, get and put wait.
func (d *diskCache) load(ctx context.Context) {
	defer close(d.loaded)
	type found struct {
		e    *entry
		used time.Time
	}
	var all []found
	// Errors are not reported: what cannot be read is not in the cache.
	_ = filepath.WalkDir(d.dir, func(path string, f fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return fs.SkipAll
		}
		if err != nil || f.IsDir() {
			return nil
		}
		e, ok := parseEntry(f.Name())
		fi, err := f.Info()
		if err != nil || !ok || d.path(e) != path {
			return nil
		}
		e.size = fi.Size()
		all = append(all, found{e, fi.ModTime()})
		return nil
	})
	slices.SortFunc(all, func(a, b found) int { return a.used.Compare(b.used) })
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range all {
		d.add(f.e)
	}
	d.shrink()
}

// parseEntry reads what path wrote.
func parseEntry(name string) (*entry, bool) {
	e := &entry{ext: filepath.Ext(name)}
	k, s, ok := strings.Cut(strings.TrimSuffix(name, e.ext), "-")
	if !ok || len(k) != 2*len(e.key) || len(s) != 2*len(e.sum) {
		return nil, false
	}
	_, err := hex.Decode(e.key[:], []byte(k))
	_, err2 := hex.Decode(e.sum[:], []byte(s))
	return e, err == nil && err2 == nil
}

// limit sets how much is kept and how much is left free, in bytes.
func (d *diskCache) limit(max, reserve int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.max, d.reserve = max, reserve
	d.shrink()
}

// get opens the file of k, which the caller closes. A file that is gone or
// damaged is forgotten.
func (d *diskCache) get(ctx context.Context, k key) (*os.File, entry, bool) {
	select {
	case <-d.loaded:
	case <-ctx.Done():
		return nil, entry{}, false
	}
	d.mu.Lock()
	el, ok := d.files[k]
	if !ok {
		d.mu.Unlock()
		return nil, entry{}, false
	}
	d.order.MoveToFront(el)
	e := *el.Value.(*entry)
	d.mu.Unlock()

	f, good, err := d.openGood(&e)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDamaged) {
		d.drop(k, e.sum)
	}
	if err != nil {
		return nil, entry{}, false
	}
	if !good.Equal(e.good) {
		d.mu.Lock()
		if el, ok := d.files[k]; ok && el.Value.(*entry).sum == e.sum {
			el.Value.(*entry).good = good
		}
		d.mu.Unlock()
	}
	return f, e, true
}

var errDamaged = errors.New("damaged")

// openGood opens the file of e and compares its content with its sum, unless
// that was done and the file has not changed since. It returns the file's time.
func (d *diskCache) openGood(e *entry) (f *os.File, good time.Time, err error) {
	f, err = os.Open(d.path(e))
	if err != nil {
		return nil, time.Time{}, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	fi, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	if fi.Size() != e.size {
		return nil, time.Time{}, errDamaged
	}
	if !fi.ModTime().Equal(e.good) {
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return nil, time.Time{}, err
		}
		if sum(h.Sum(nil)[:len(e.sum)]) != e.sum {
			return nil, time.Time{}, errDamaged
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, time.Time{}, err
		}
	}
	good = fi.ModTime()
	if now := time.Now(); now.Sub(good).Abs() > touchAfter && // also of the future: the clock was ahead
		os.Chtimes(d.path(e), now, now) == nil {
		if fi, err := f.Stat(); err == nil {
			good = fi.ModTime()
		}
	}
	return f, good, nil
}

// drop forgets and deletes the file of k, if it is still the one with this sum.
func (d *diskCache) drop(k key, s sum) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if el, ok := d.files[k]; ok && el.Value.(*entry).sum == s {
		d.remove(el)
	}
}

// put keeps data under k. It is no error where there is no room.
func (d *diskCache) put(ctx context.Context, k key, ext string, data []byte) error {
	select {
	case <-d.loaded:
	case <-ctx.Done():
		return ctx.Err()
	}
	e := &entry{key: k, sum: sumOf(data), ext: ext, size: int64(len(data))}
	if !d.makeRoom(e.size) {
		return nil
	}
	tmp, err := d.write(data)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		d.evict(max(16*e.size, 1<<20)) // the reserve was too small; try once more
		tmp, err = d.write(data)
	}
	if err != nil {
		return fmt.Errorf("write to the cache: %w", err)
	}
	if err := d.publish(tmp, e); err != nil {
		return errors.Join(fmt.Errorf("write to the cache: %w", err), os.Remove(tmp))
	}
	return nil
}

// write makes a temporary file of data, or leaves nothing.
func (d *diskCache) write(data []byte) (string, error) {
	// Somebody may have emptied the cache, folders and all.
	if err := os.MkdirAll(d.tmp(), 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(d.tmp(), "new-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func (d *diskCache) publish(tmp string, e *entry) error {
	path := d.path(e)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	if el, ok := d.files[e.key]; ok {
		if old := el.Value.(*entry); old.sum != e.sum || old.ext != e.ext {
			d.remove(el)
		} else { // the new file has taken the old one's place
			d.bytes -= old.size
			d.order.Remove(el)
			delete(d.files, e.key)
		}
	}
	d.add(e)
	d.shrink()
	return nil
}

// add needs mu.
func (d *diskCache) add(e *entry) {
	if el, ok := d.files[e.key]; ok {
		d.remove(el) // two files for one key, left by a crash
	}
	d.files[e.key] = d.order.PushFront(e)
	d.bytes += e.size
}

// remove needs mu. A file that is being sent stays readable until it is closed.
func (d *diskCache) remove(el *list.Element) {
	e := el.Value.(*entry)
	d.order.Remove(el)
	delete(d.files, e.key)
	d.bytes -= e.size
	_ = os.Remove(d.path(e)) // gone already, or found again at the next start
}

// makeRoom reports whether size more bytes may be kept, after removing what has
// to go for them.
func (d *diskCache) makeRoom(size int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if size > d.max {
		return false
	}
	for d.bytes+size > d.max && d.order.Len() > 0 {
		d.removeOldest()
	}
	for d.short(size) {
		if d.order.Len() == 0 {
			return false
		}
		d.removeOldest()
	}
	return true
}

// short needs mu. It reports that size more bytes would touch the reserve. Where
// the free space is not known, it does not count.
func (d *diskCache) short(size int64) bool {
	free, err := d.free(d.dir)
	return err == nil && free-size < d.reserve
}

// shrink needs mu. It brings the cache back to its limits.
func (d *diskCache) shrink() {
	for d.order.Len() > 0 && (d.bytes > d.max || d.short(0)) {
		d.removeOldest()
	}
}

// removeOldest needs mu.
func (d *diskCache) removeOldest() {
	d.remove(d.order.Back())
	d.evicted++
}

// evict removes at least n bytes, if there are as many.
func (d *diskCache) evict(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for goal := d.bytes - n; d.order.Len() > 0 && d.bytes > goal; {
		d.removeOldest()
	}
}

// stats returns the bytes and files that are kept, and the files evicted so far.
func (d *diskCache) stats() (bytes int64, files int, evicted uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes, d.order.Len(), d.evicted
}
