// Package transfer makes the rows of one database those of another, which may be of
// another engine, and proves that they are. It does not open them, and what is not
// the same in both engines, such as an index of words, it leaves to the store.
package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/porticod/portico/pkg/sqldb"
)

// A Source is what is read: a sqldb.DB, or one that somebody else writes to.
type Source interface {
	Read(ctx context.Context, fn func(q sqldb.Queryer) error) error
	Dialect() sqldb.Dialect
}

// Options say what is copied.
type Options struct {
	// Leave are tables that are not copied. All others have to be in both databases,
	// with the same columns.
	Leave []string
	// Progress, where it is set, is told how many rows of a table were compared so
	// far.
	Progress func(table string, rows int64)
}

// Report is what a sweep found.
type Report struct {
	Tables  int
	Rows    int64  // in the source
	Changed int64  // were written or removed in the target
	Table   string // the first of those with changes; "": none
	Sum     string // SHA-256 of the source's rows, in hexadecimal
}

// pageRows are read, or written, at a time.
const pageRows = 500

// Sweep compares the two row by row and mends the target. Somebody may write to the
// source meanwhile; what he does may be in the target afterwards or not, and a later
// sweep finds it. Where nobody writes to either, a sweep that changed nothing has
// proved that they are the same. The target needs Prepare before.
func Sweep(ctx context.Context, from Source, to sqldb.DB, opt Options) (r Report, err error) {
	tables, err := plan(ctx, from, to, opt.Leave)
	if err != nil {
		return r, err
	}
	all := sha256.New()
	for _, t := range tables {
		n, changed, sum, err := t.sweep(ctx, from, to, opt.Progress)
		if err != nil {
			return r, fmt.Errorf("copy table %s: %w", t.name, err)
		}
		if changed > 0 && r.Table == "" {
			r.Table = t.name
		}
		r.Tables++
		r.Rows += n
		r.Changed += changed
		all.Write(sum)
	}
	r.Sum = hex.EncodeToString(all.Sum(nil))
	return r, nil
}

// sweeps is how often rows that are in each other's way may need one another's.
const sweeps = 5

// Same sweeps until nothing differs any more. Nobody may write to either.
func Same(ctx context.Context, from Source, to sqldb.DB, opt Options) (r Report, err error) {
	for range sweeps {
		changed := r.Changed
		if r, err = Sweep(ctx, from, to, opt); err != nil {
			return r, err
		}
		if r.Changed == 0 {
			r.Changed = changed
			return r, nil
		}
		r.Changed += changed
	}
	return r, fmt.Errorf("table %s does not become the same: somebody writes to one of the databases, or changes what is written", r.Table)
}

// sweep is that of one table: n rows of the source, whose sum is sum.
func (t *table) sweep(ctx context.Context, from Source, to sqldb.DB, progress func(string, int64)) (n, changed int64, sum []byte, err error) {
	a, b := &reader{t: t, db: from, plain: true}, &reader{t: t, db: to}
	w := &writer{t: t, to: to}
	h := sha256.New()
	for {
		x, err := a.peek(ctx)
		if err != nil {
			return n, changed, nil, err
		}
		y, err := b.peek(ctx)
		if err != nil {
			return n, changed, nil, err
		}
		if x == nil && y == nil {
			break
		}
		order, err := t.order(x, y)
		if err != nil {
			return n, changed, nil, err
		}
		switch {
		case order < 0:
			w.put(x)
		case order > 0:
			w.remove(y)
		case !same(x, y):
			w.put(x)
		}
		if order <= 0 {
			h.Write(encoded(x))
			a.next()
			if n++; progress != nil && n%pageRows == 0 {
				progress(t.name, n)
			}
		}
		if order >= 0 {
			b.next()
		}
		if err := w.flush(ctx, pageRows); err != nil {
			return n, changed, nil, err
		}
	}
	if err := w.flush(ctx, 1); err != nil {
		return n, changed, nil, err
	}
	return n, w.changed, h.Sum(nil), nil
}

// order is which of two rows comes first by its key; nil comes last.
func (t *table) order(x, y []any) (int, error) {
	switch {
	case x == nil:
		return 1, nil
	case y == nil:
		return -1, nil
	}
	for _, i := range t.key {
		if c, err := compare(x[i], y[i]); c != 0 || err != nil {
			return c, err
		}
	}
	return 0, nil
}

var errKinds = errors.New("keys of different kinds")
