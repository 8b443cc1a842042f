package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

const (
	// holdAtMost is how long the writers of some databases may be held while those
	// of others are waited for; then all are let go, and it begins anew.
	holdAtMost = 300 * time.Millisecond
	// holdPatience is how long it is tried to hold all of them.
	holdPatience = 30 * time.Second
	// maxOpen is how many plain files are opened while the writers are held; more
	// are when they go on.
	maxOpen = 4096
)

// A cut is one moment of a data folder.
type cut struct {
	root  string
	at    time.Time
	found found
	reads map[string]*sqlite.Snapshot // by path of the database
	holds map[string]*blob.Hold       // by folder of the store
	open  map[string]*os.File         // plain files, as they are at the moment
	room  int                         // how many of them may be open
}

// take makes a cut. The caller closes it.
func take(ctx context.Context, root string, known func(string) Folder) (c *cut, err error) {
	c = &cut{root: root, reads: map[string]*sqlite.Snapshot{}, holds: map[string]*blob.Hold{}, open: map[string]*os.File{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, holdPatience, errors.New("the databases are written to without a pause; try again when there is less to do"))
	defer cancel()
	// What is found can change until the writers are held: a service may open.
	for {
		if c.found, err = c.scan(known); err != nil {
			return c, err
		}
		if err := c.prepare(ctx); err != nil {
			return c, err
		}
		complete, err := c.moment(ctx, known)
		if err != nil || complete {
			return c, err
		}
	}
}

// scan looks for what there is, and opens no database that is open already.
func (c *cut) scan(known func(string) Folder) (found, error) {
	isDB := map[string]bool{}
	for p := range c.reads {
		isDB[p] = true
	}
	return scan(c.root, known, isDB)
}

// prepare opens what was found and is not open yet.
func (c *cut) prepare(ctx context.Context) error {
	for _, s := range c.found.stores {
		if c.holds[s.dir] != nil {
			continue
		}
		h, err := blob.NewHold(filepath.Join(c.root, s.dir))
		if err != nil {
			return fmt.Errorf("%w; is another backup at work?", err)
		}
		c.holds[s.dir] = h
	}
	for _, p := range c.found.databases {
		if c.reads[p] != nil {
			continue
		}
		s, err := sqlite.NewSnapshot(ctx, filepath.Join(c.root, p))
		if err != nil {
			return err
		}
		c.reads[p] = s
	}
	return nil
}

// moment holds all writers, takes the state of everything and lets them go on.
// complete is false where there is more than was prepared for.
func (c *cut) moment(ctx context.Context, known func(string) Folder) (complete bool, err error) {
	if err := c.holdAll(ctx); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.letAll()) }()
	now, err := c.scan(known)
	if err != nil {
		return false, err
	}
	if !slices.Equal(now.databases, c.found.databases) || len(now.stores) != len(c.found.stores) {
		return false, nil
	}
	c.found = now
	for _, p := range c.found.databases {
		if err := c.reads[p].Take(ctx); err != nil {
			return false, err
		}
	}
	c.at = time.Now().UTC().Truncate(time.Second)
	return true, c.openFiles()
}

// holdAll holds the writer of each database. A service that writes to one while
// it waits for another is not waited for: holdAtMost bounds what it is held up,
// and before it is held again it has as long to itself.
func (c *cut) holdAll(ctx context.Context) error {
	order := slices.Clone(c.found.databases)
	for {
		busy, held, err := c.tryAll(ctx, order)
		if err == nil {
			return nil
		}
		err = errors.Join(err, c.letAll())
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.Is(err, sqldb.ErrBusy) {
			return err
		}
		// Next time that one is the first, so that nothing is held while it is
		// waited for.
		first := order[busy]
		order = slices.Insert(slices.Delete(order, busy, busy+1), 0, first)
		select {
		case <-time.After(held):
		case <-ctx.Done():
		}
	}
}

// tryAll holds the databases in that order. Where it does not succeed busy is the
// one that it waited for, and held how long it held the first.
func (c *cut) tryAll(ctx context.Context, order []string) (busy int, held time.Duration, err error) {
	var since time.Time // when the first one was held
	for i, p := range order {
		for {
			err := c.reads[p].Hold(ctx)
			if err == nil {
				break
			}
			if i > 0 {
				held = time.Since(since)
			}
			if !errors.Is(err, sqldb.ErrBusy) || ctx.Err() != nil || held > holdAtMost {
				return i, held, err
			}
			// A busy writer pauses for microseconds: whoever waits longer between
			// two looks misses it.
			time.Sleep(100 * time.Microsecond)
		}
		if i == 0 {
			since = time.Now()
		}
	}
	return 0, 0, nil
}

func (c *cut) letAll() error {
	ctx, cancel := context.WithTimeout(context.Background(), holdPatience)
	defer cancel()
	var errs []error
	for _, p := range c.found.databases {
		if s := c.reads[p]; s != nil {
			errs = append(errs, s.Let(ctx))
		}
	}
	return errors.Join(errs...)
}

// openFiles opens plain files, so that they are there later: an upload may be
// finished and its file be gone when its turn comes.
func (c *cut) openFiles() error {
	c.room = descriptors()
	for _, p := range c.found.files[:min(len(c.found.files), c.room, maxOpen)] {
		f, err := openPlain(filepath.Join(c.root, p))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		c.open[p] = f
	}
	return nil
}

// descriptors is how many plain files may be open: half of what the process may
// have.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return maxOpen
	}
	return int(min(limit.Cur/2, maxFiles))
}

// openPlain opens a regular file, and waits for no pipe that took its place.
func openPlain(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("read the data folder: %w", err)
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("read the data folder: %s: %w", name, fs.ErrNotExist), err, f.Close())
	}
	return f, nil
}

// endReads lets the logs of the databases shrink again.
func (c *cut) endReads() error {
	var errs []error
	for p, s := range c.reads {
		errs = append(errs, s.Close())
		delete(c.reads, p)
	}
	return errors.Join(errs...)
}

// close gives everything back. It may be called again.
func (c *cut) close() error {
	errs := []error{c.endReads()}
	for p, f := range c.open {
		errs = append(errs, f.Close())
		delete(c.open, p)
	}
	for p, h := range c.holds {
		errs = append(errs, h.Release())
		delete(c.holds, p)
	}
	return errors.Join(errs...)
}
