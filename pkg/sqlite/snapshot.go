package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	driver "modernc.org/sqlite"

	"github.com/porticod/portico/pkg/durable"
)

// copyPages is how many pages are copied between two looks at the context.
const copyPages = 1024

// A Snapshot is one state of a database that others may have open and write to,
// in other processes too. One goroutine uses it. For one moment of several
// databases: Hold all of them, Take each, Let them go on.
//
// From Take to Close the log of the database cannot shrink on disk.
type Snapshot struct {
	path string
	hold *sql.DB // BEGIN IMMEDIATE while the writer is held
	read *sql.DB // the transaction that is copied from
	h, r *sql.Conn
}

// NewSnapshot opens the database at path, which has to be there, for Take. The
// caller closes it.
func NewSnapshot(ctx context.Context, path string) (*Snapshot, error) {
	s := &Snapshot{path: path}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("look at database %s: %w", path, classify(err)), s.Close())
	}
	return s, nil
}

func (s *Snapshot) open(ctx context.Context) (err error) {
	// Not query_only: after a crash the reader is who recovers the log.
	if s.read, err = poolOf(s.path, "rw", "busy_timeout(5000)", "trusted_schema(0)"); err != nil {
		return err
	}
	if s.r, err = s.read.Conn(ctx); err != nil {
		return err
	}
	if s.hold, err = poolOf(s.path, "rw", "busy_timeout(0)", "trusted_schema(0)"); err != nil {
		return err
	}
	s.h, err = s.hold.Conn(ctx)
	return err
}

// poolOf is a pool for a file that exists, in SQLite's mode.
func poolOf(path, mode string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_pragma": pragmas, "mode": {mode}}
	if mode == "ro" {
		q.Set("immutable", "1") // nobody writes it, so no log is looked for
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	c, err := driver.NewConnector(u.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxIdleConns(0)
	return db, nil
}

// Hold keeps everybody from writing until Let. Where somebody writes just now it
// returns ErrBusy at once.
func (s *Snapshot) Hold(ctx context.Context) error {
	_, err := s.h.ExecContext(ctx, "BEGIN IMMEDIATE")
	return classify(err)
}

// Let ends Hold. It is no error without one.
func (s *Snapshot) Let(ctx context.Context) error {
	_, err := s.h.ExecContext(ctx, "ROLLBACK")
	if err != nil && noTransaction(err) {
		return nil
	}
	return classify(err)
}

// Take makes the present state the one that Copy writes.
func (s *Snapshot) Take(ctx context.Context) error {
	if _, err := s.r.ExecContext(ctx, "BEGIN"); err != nil {
		return fmt.Errorf("read %s: %w", s.path, classify(err))
	}
	var n int // the first query is what fixes the state
	if err := s.r.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil {
		return fmt.Errorf("read %s: %w", s.path, classify(err))
	}
	return nil
}

// Copy writes the state that Take saw to the new file dst, mode 0600: page by
// page, without a log beside it, synced. progress is told the bytes so far. On an
// error there is no file.
func (s *Snapshot) Copy(ctx context.Context, dst string, progress func(done int64)) (err error) {
	if err := create(dst); err != nil {
		return fmt.Errorf("copy %s: %w", s.path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("copy %s: %w", s.path, err)
			for _, end := range []string{"", "-journal", "-wal", "-shm"} {
				if rerr := os.Remove(dst + end); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
					err = errors.Join(err, rerr)
				}
			}
		}
	}()
	var size int64
	if err := s.r.QueryRowContext(ctx, "PRAGMA page_size").Scan(&size); err != nil {
		return classify(err)
	}
	err = s.r.Raw(func(c any) error { return copyPagesOf(ctx, c, dst, size, progress) })
	if err != nil {
		return classify(err)
	}
	if err := plain(ctx, dst); err != nil {
		return err
	}
	if err := durable.Sync(dst); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(dst))
}

func copyPagesOf(ctx context.Context, c any, dst string, size int64, progress func(int64)) error {
	source, ok := c.(interface {
		NewBackup(dstURI string) (*driver.Backup, error)
	})
	if !ok {
		return errors.New("the SQLite library cannot copy databases")
	}
	// The journal would be of use only to who goes on with half a copy.
	u := url.URL{Scheme: "file", Path: dst, RawQuery: url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)"}}.Encode()}
	b, err := source.NewBackup(u.String())
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		if err = ctx.Err(); err != nil {
			break
		}
		more, err = b.Step(copyPages)
		progress(int64(b.PageCount()-b.Remaining()) * size)
	}
	return errors.Join(err, b.Finish())
}

// plain takes the mark of a write-ahead log off a copy, so that one file is all
// there is to it.
func plain(ctx context.Context, path string) error {
	db, err := poolOf(path, "rw", "busy_timeout(5000)", "trusted_schema(0)")
	if err != nil {
		return err
	}
	var mode string
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode=DELETE").Scan(&mode)
	if err == nil && mode != "delete" {
		err = fmt.Errorf("the journal of the copy is of the kind %s", mode)
	}
	return errors.Join(classify(err), db.Close())
}

// Close ends the snapshot.
func (s *Snapshot) Close() error {
	var errs []error
	for _, c := range []*sql.Conn{s.r, s.h} {
		if c != nil {
			errs = append(errs, c.Close()) // which ends its transaction
		}
	}
	for _, p := range []*sql.DB{s.read, s.hold} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}
