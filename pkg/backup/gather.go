package backup

import (
	"cmp"
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

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/sqlite"
)

// An item is a file of a backup, or all blobs of a store.
type item struct {
	path  string // in the data folder; of a store with a slash at the end, so that items are in the order of files
	size  int64
	copy  string // where the copy of a database is, or of a file that is not open
	file  *os.File
	blobs []blobOf
	hold  *blob.Hold
}

type blobOf struct {
	id   blob.ID
	size int64
}

// gather copies the databases of a cut into the folder work, verifies the copies
// and lists all that belongs to the backup.
func gather(ctx context.Context, c *cut, o *Options, work string) (h Header, items []item, err error) {
	h = Header{Format: format, Program: o.Known.Program, Created: c.at, Databases: []Schema{}}
	if h.Layout, err = readLayout(c.root, o.Known.Layout); err != nil {
		return h, nil, err
	}
	copies, err := copyDatabases(ctx, c, o, work)
	if err != nil {
		return h, nil, err
	}
	for i, p := range c.found.databases {
		schema, size, err := verifyDatabase(ctx, copies[p])
		if err != nil {
			return h, nil, err
		}
		h.Databases = append(h.Databases, Schema{p, schema})
		items = append(items, item{path: p, size: size, copy: copies[p]})
		o.progress("verifying databases", int64(i+1), int64(len(copies)))
	}
	for _, s := range c.found.stores {
		it, missing, err := listBlobs(ctx, c, s, copies[s.database])
		if err != nil {
			return h, nil, err
		}
		h.Missing = append(h.Missing, missing[:min(len(missing), maxMissing-len(h.Missing))]...)
		items = append(items, it)
	}
	for _, p := range c.found.files {
		it, err := c.plain(p, work)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return h, nil, err
		default:
			items = append(items, it)
		}
	}
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.path, b.path) })
	for _, it := range items {
		h.Files++
		if it.hold != nil {
			h.Files += int64(len(it.blobs)) - 1
		}
		h.Bytes += it.size
	}
	return h, items, nil
}

func copyDatabases(ctx context.Context, c *cut, o *Options, work string) (map[string]string, error) {
	var done, total int64
	for _, p := range c.found.databases {
		if fi, err := os.Stat(filepath.Join(c.root, p)); err == nil {
			total += fi.Size()
		}
	}
	copies := map[string]string{}
	for i, p := range c.found.databases {
		dst := filepath.Join(work, fmt.Sprintf("database-%d", i))
		var size int64
		err := c.reads[p].Copy(ctx, dst, func(n int64) {
			size = n
			o.progress("copying databases", done+n, max(total, done+n))
		})
		if err != nil {
			return nil, err
		}
		done += size
		copies[p] = dst
	}
	return copies, c.endReads()
}

// verifyDatabase reads a whole database.
func verifyDatabase(ctx context.Context, file string) (schema int, size int64, err error) {
	fi, err := os.Stat(file)
	if err != nil {
		return 0, 0, fmt.Errorf("verify database: %w", err)
	}
	f, err := sqlite.OpenFile(file)
	if err != nil {
		return 0, 0, err
	}
	if err = f.Verify(ctx); err == nil {
		schema, err = f.Schema(ctx)
	}
	return schema, fi.Size(), errors.Join(err, f.Close())
}

// listBlobs finds the blobs that a copied database refers to, and tells which of
// them are not there.
func listBlobs(ctx context.Context, c *cut, s store, database string) (it item, missing []string, err error) {
	it = item{path: s.dir + "/", hold: c.holds[s.dir]}
	if database == "" {
		return it, nil, nil
	}
	f, err := sqlite.OpenFile(database)
	if err != nil {
		return it, nil, err
	}
	defer f.Close()
	var ids []blob.ID
	for _, col := range s.refs {
		err := f.Texts(ctx, col.Table, col.Name, func(text string) error {
			id, err := blob.ParseID(text)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return it, nil, err
		}
	}
	slices.SortFunc(ids, func(a, b blob.ID) int { return slices.Compare(a[:], b[:]) })
	for _, id := range slices.Compact(ids) {
		size, err := it.hold.Size(id)
		switch {
		case errors.Is(err, blob.ErrNotFound):
			missing = append(missing, blobPath(s.dir, id))
			continue
		case err != nil:
			return it, nil, err
		}
		it.blobs = append(it.blobs, blobOf{id, size})
		it.size += size
	}
	return it, missing, nil
}

// blobPath is where a blob.Dir in the folder dir has a blob.
func blobPath(dir string, id blob.ID) string {
	s := id.String()
	return path.Join(strings.TrimSuffix(dir, "/"), s[:2], s[2:4], s)
}

// plain is the item of a file that is no database. A file that grows is taken as
// long as it is now. It may be gone when its turn comes: it is open from now on, or
// where too many are, copied to the folder work.
func (c *cut) plain(p, work string) (it item, err error) {
	f := c.open[p]
	if f == nil {
		if f, err = openPlain(filepath.Join(c.root, p)); err != nil {
			return it, err
		}
		if len(c.open) >= c.room {
			defer f.Close()
			return copyPlain(p, f, work)
		}
		c.open[p] = f
	}
	fi, err := f.Stat()
	if err != nil {
		return it, fmt.Errorf("read the data folder: %w", err)
	}
	return item{path: p, size: fi.Size(), file: f}, nil
}

func copyPlain(p string, f *os.File, work string) (it item, err error) {
	out, err := os.CreateTemp(work, "plain-*")
	if err != nil {
		return it, writeError(err)
	}
	size, err := io.Copy(out, f)
	if err = errors.Join(err, out.Close()); err != nil {
		return it, writeError(err)
	}
	return item{path: p, size: size, copy: out.Name()}, nil
}
