package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/blob/s3"
)

// bucket is where a block has the blobs of a place; "": in its folder.
func (c Config) bucket(p Place) (string, error) {
	at, err := c.target()
	if err != nil || at == nil {
		return "", err
	}
	return at.Below(p.Kind, p.Name).String(), nil
}

// openBlobs opens the blobs of a place; look: for reading alone.
func (c Config) openBlobs(p Place, look bool) (blob.Store, closer, error) {
	at, err := c.target()
	if err != nil {
		return nil, nil, err
	}
	if at == nil {
		none := func() error { return nil }
		if dir := filepath.Join(p.Dir, blobFolder); look {
			return blob.LookDir(dir), none, nil
		}
		d, err := blob.OpenDir(filepath.Join(p.Dir, blobFolder))
		return d, none, err
	}
	b, err := s3.Open(at.Below(p.Kind, p.Name), s3.Options{
		AccessKey: c.AccessKey.Reveal(), SecretKey: c.SecretKey.Reveal(),
		Spool: filepath.Join(p.Dir, spoolFolder), Grace: deleteGrace,
	})
	if err != nil {
		return nil, nil, err
	}
	return b, b.Close, nil
}

// moveAtOnce is how many blobs are copied at a time.
const moveAtOnce = 8

// files are how many blobs there are and how long, and how many were copied.
type files struct{ n, bytes, copied, moved int64 }

// files copies the blobs of a part that are not in the new place; the old ones stay.
// Where nobody writes any more it makes sure afterwards that all are there.
func (m *Move) files(ctx context.Context, p Part, alone bool) (f files, err error) {
	from, endFrom, err := m.From.openBlobs(p.Place, true)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, endFrom()) }()
	to, endTo, err := m.To.openBlobs(p.Place, false)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, endTo()) }()
	if f, err = m.copyBlobs(ctx, p, from, to, alone); err != nil || !alone || f.copied == 0 {
		return f, err // the sizes were compared
	}
	there, err := sizes(ctx, to)
	if err != nil {
		return f, err
	}
	return f, from.Walk(ctx, func(i blob.Info) error {
		if size, ok := there[i.ID]; !ok || size != i.Size {
			return fmt.Errorf("file %v is not there after it was copied", i.ID)
		}
		return nil
	})
}

// sizes are those of all blobs: some 60 bytes of memory each.
func sizes(ctx context.Context, store blob.Store) (map[blob.ID]int64, error) {
	all := map[blob.ID]int64{}
	err := store.Walk(ctx, func(i blob.Info) error {
		all[i.ID] = i.Size
		return nil
	})
	return all, err
}

func (m *Move) copyBlobs(ctx context.Context, p Part, from, to blob.Store, alone bool) (f files, err error) {
	there, err := sizes(ctx, to)
	if err != nil {
		return f, err
	}
	var copied, moved atomic.Int64
	var told sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(moveAtOnce)
	err = from.Walk(gctx, func(i blob.Info) error {
		f.n++
		f.bytes += i.Size
		if size, ok := there[i.ID]; ok && size == i.Size {
			return gctx.Err()
		}
		g.Go(func() error {
			err := copyBlob(gctx, from, to, i)
			if errors.Is(err, blob.ErrNotFound) && !alone {
				return nil // it was deleted meanwhile
			}
			if err != nil {
				return fmt.Errorf("copy file %v: %w", i.ID, err)
			}
			moved.Add(i.Size)
			now := copied.Add(1)
			told.Lock()
			defer told.Unlock()
			m.tell(p.who()+" files", now)
			return nil
		})
		return gctx.Err()
	})
	if gerr := g.Wait(); gerr != nil { // the walk ended because of it
		err = gerr
	}
	f.copied, f.moved = copied.Load(), moved.Load()
	return f, err
}

// copyBlob copies a blob, whose ID says that it is the same.
func copyBlob(ctx context.Context, from, to blob.Store, i blob.Info) error {
	f, err := from.Open(ctx, i.ID)
	if err != nil {
		return err
	}
	defer f.Close()
	id, _, err := to.Put(ctx, io.LimitReader(f, i.Size), i.Size)
	if err == nil && id != i.ID {
		err = fmt.Errorf("its bytes are those of %v: it was damaged before; restore it from a backup", id)
	}
	return err
}
