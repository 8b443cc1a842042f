package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/porticod/portico/pkg/blob"
)

// Options say what is copied. Known and Dir are required.
type Options struct {
	Known    Known
	Dir      string   // the data folder
	Progress Progress // nil: nobody is told
}

func (o *Options) progress(what string, done, total int64) {
	if o.Progress != nil {
		o.Progress(what, done, total)
	}
}

// A Report is what became of a backup.
type Report struct {
	Header
	Path    string // what was written; "" for a stream
	Written int64  // bytes of it
	Linked  int64  // files that an older backup has too
	// Damaged are blobs whose bytes are not what their names say, as they lie in
	// the data folder. They are in the backup as they are.
	Damaged []string
	Sum     string // SHA-256 of SHA256SUMS: of everything
	// Kept: older backups, which would have been removed, were not, because this
	// one is not sound.
	Kept bool
}

// Sound is an error where the data folder itself was not whole.
func (r Report) Sound() error {
	if len(r.Missing) == 0 && len(r.Damaged) == 0 {
		return nil
	}
	name, what := "", ""
	if len(r.Missing) > 0 {
		name, what = r.Missing[0], fmt.Sprintf("%d files are missing", len(r.Missing))
	} else {
		name, what = r.Damaged[0], fmt.Sprintf("%d files are damaged", len(r.Damaged))
	}
	older := "keep older backups"
	if r.Kept {
		older = "older backups were not removed"
	}
	return fmt.Errorf("the backup is whole, but the data folder is not: %s, such as %s; look into the disk; %s", what, name, older)
}

// A sink is where a backup goes. Paths are those in the backup.
type sink interface {
	// put writes a file of exactly size bytes.
	put(path string, size int64, r io.Reader) error
	// link reports whether the file is there already, from an older backup. It is
	// asked in the order of the paths.
	link(path string, id blob.ID, size int64) (bool, error)
}

// write sends everything to a sink. items are in the order of their paths.
func write(ctx context.Context, o *Options, h Header, items []item, to sink, sums *sumFile) (r Report, err error) {
	r.Header = h
	w := &writer{ctx: ctx, o: o, to: to, sums: sums, report: &r}
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return r, fmt.Errorf("write backup: %w", err)
	}
	sum, err := w.copy(headerName, int64(len(b)), bytes.NewReader(b))
	if err == nil {
		err = sums.add(sum, headerName)
	}
	for i := 0; i < len(items) && err == nil; i++ {
		err = w.item(items[i])
	}
	if err != nil {
		return r, err
	}
	r.Sum = sums.sum()
	f, size, err := sums.reader()
	if err != nil {
		return r, err
	}
	return r, to.put(sumsName, size, f)
}

type writer struct {
	ctx    context.Context
	o      *Options
	to     sink
	sums   *sumFile
	report *Report
	done   int64
}

func (w *writer) item(it item) error {
	switch {
	case it.hold != nil:
		for _, b := range it.blobs {
			if err := w.blob(it, b); err != nil {
				return err
			}
		}
		return nil
	case it.file != nil:
		return w.file(it, it.file)
	}
	f, err := openPlain(it.copy)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.file(it, f)
}

func (w *writer) file(it item, f io.Reader) error {
	sum, err := w.copy(dataPrefix+it.path, it.size, f)
	if err != nil {
		return err
	}
	return w.sums.add(sum, dataPrefix+it.path)
}

func (w *writer) blob(it item, b blobOf) error {
	name := dataPrefix + blobPath(it.path, b.id)
	linked, err := w.to.link(name, b.id, b.size)
	if err != nil {
		return err
	}
	if linked {
		w.report.Linked++
		w.advance(b.size)
		return w.sums.add(b.id, name)
	}
	f, err := it.hold.Open(b.id)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := w.copy(name, b.size, f)
	if err != nil {
		return err
	}
	if sum != b.id && len(w.report.Damaged) < maxMissing {
		w.report.Damaged = append(w.report.Damaged, name)
	}
	return w.sums.add(sum, name)
}

// copy sends size bytes of r to the sink and returns their SHA-256.
func (w *writer) copy(name string, size int64, r io.Reader) (sum [sha256.Size]byte, err error) {
	if err := w.ctx.Err(); err != nil {
		return sum, context.Cause(w.ctx)
	}
	in := &counted{r: io.LimitReader(r, size), h: sha256.New(), w: w}
	if err := w.to.put(name, size, in); err != nil {
		return sum, err
	}
	if in.n != size {
		return sum, fmt.Errorf("read %s: it was cut off amid the backup; try again", name)
	}
	in.h.Sum(sum[:0])
	return sum, nil
}

func (w *writer) advance(n int64) {
	w.done += n
	w.o.progress("writing", w.done, w.report.Bytes)
}

// counted reads, hashes and counts. It ends with the context.
type counted struct {
	r io.Reader
	h hash.Hash
	n int64
	w *writer
}

func (c *counted) Read(p []byte) (int, error) {
	if c.w.ctx.Err() != nil {
		return 0, context.Cause(c.w.ctx)
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	_, _ = c.h.Write(p[:n]) // never fails
	c.w.advance(int64(n))
	return n, err
}

// make is what all targets have in common: a cut, a gathering in work, and the
// writing to where to leads.
func (o *Options) make(ctx context.Context, work string, to sink) (r Report, err error) {
	c, err := take(ctx, o.Dir, o.Known.Folder)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	h, items, err := gather(ctx, c, o, work)
	if err != nil {
		return r, err
	}
	sums, err := newSums(work)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, sums.close()) }()
	return write(ctx, o, h, items, to, sums)
}
