// Package sqlite keeps a database in one file: one writer that syncs many
// requests with one commit, readers beside it, numbered migrations. It is the
// only importer of the SQLite library; it knows no tables.
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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	driver "modernc.org/sqlite"

	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/sqldb"
)

// minEngine is the oldest SQLite that is safe with this package: 3.51.3 fixed
// lost commits when a log is reset, 3.53.4 a damaging rollback.
var minEngine = [3]int{3, 53, 4}

// Options say how a database is opened. The zero value is an empty schema.
type Options struct {
	// Migrations has files 0001_name.sql, 0002_name.sql and so on, without a
	// gap, at its root; other files are ignored. nil: no schema.
	Migrations fs.FS
	Log        zerolog.Logger
	// ReadConns is the most connections that read at a time; default 4. They
	// are opened when needed and closed after half a minute without use.
	ReadConns int
	// Wait is the longest wait for the writer or a reader; default 10 s.
	Wait time.Duration
	// Unchecked has rows refer to others that are not there, or not yet: for who
	// copies what was checked elsewhere, in any order.
	Unchecked bool
	// Trace, where it is set, is called with the text of each statement when a
	// connection prepares it. Tests look at the plans of queries with it.
	Trace func(query string)
}

// DB is an open database. Its methods may be called concurrently.
type DB struct {
	path  string
	log   zerolog.Logger
	wait  time.Duration
	lease *durable.Lease

	writerPool *sql.DB // holds the one connection of writer
	writer     *conn   // used by the group only, once there is one
	group      *sqldb.Group
	readers    *readers

	reads     atomic.Int64
	closeOnce sync.Once
	closeErr  error
}

// Open opens the database at path, makes it with mode 0600 where it is missing,
// with the folders above it, and brings its schema up to date. It refuses a
// file that another DB has open, in this process or another. The caller closes
// it. When Open returns, all that is in the database is on disk.
func Open(ctx context.Context, path string, opt Options) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	lease, err := durable.Acquire(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	db := &DB{path: path, log: opt.Log, wait: opt.Wait, lease: lease}
	if db.wait <= 0 {
		db.wait = 10 * time.Second
	}
	if err := db.open(ctx, opt); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, classify(err)), db.abort())
	}
	db.group = sqldb.NewGroup(transactor{db.writer}, sqldb.GroupOptions{
		Log: opt.Log.With().Str("file", path).Logger(), Dialect: sqldb.SQLite, Batch: batchLen, Wait: db.wait,
	})
	return db, nil
}

func (db *DB) open(ctx context.Context, opt Options) error {
	if err := create(db.path); err != nil {
		return err
	}
	var err error
	pragmas := writerPragmas
	if opt.Unchecked {
		pragmas = append(slices.Clone(pragmas), "foreign_keys(0)")
	}
	if db.writerPool, err = pool(db.path, pragmas); err != nil {
		return err
	}
	if db.writer, err = newConn(ctx, db.writerPool, opt.Trace); err != nil {
		return err
	}
	if err := db.checkEngine(ctx); err != nil {
		return err
	}
	if err := db.migrate(ctx, opt); err != nil {
		return err
	}
	// After a kill the log may hold a commit that was written but not synced:
	// it would be visible now and gone after a power loss. A checkpoint syncs
	// the log before it copies, so what readers see from here on is durable.
	if err := db.checkpoint(ctx); err != nil {
		return err
	}
	readPool, err := pool(db.path, readerPragmas)
	if err != nil {
		return err
	}
	n := opt.ReadConns
	if n <= 0 {
		n = 4
	}
	db.readers = &readers{db: readPool, slots: make(chan struct{}, n), done: make(chan struct{}), idle: 30 * time.Second, trace: opt.Trace}
	return nil
}

// create makes the file, private, before SQLite would make it for all to read.
// Nothing has it open yet, so closing it cannot drop SQLite's locks on it.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// Small caches: the kernel's page cache is behind them, and a daemon has
// several databases that are mostly idle.
var (
	writerPragmas = []string{
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"fullfsync(1)", "checkpoint_fullfsync(1)", // macOS: its fsync does not reach the disk
		"trusted_schema(0)", "secure_delete(1)", // what is deleted is gone from the file
		"cache_size(-1024)", "journal_size_limit(16777216)", "wal_autocheckpoint(1000)",
	}
	readerPragmas = []string{
		"busy_timeout(5000)", "query_only(1)", "trusted_schema(0)", "cache_size(-512)",
	}
)

// pool opens path with pragmas on every connection. How many connections there
// are is up to the caller.
func pool(path string, pragmas []string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	c, err := driver.NewConnector(u.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxIdleConns(0) // a connection that its owner closes is closed
	return db, nil
}

func (db *DB) checkEngine(ctx context.Context) error {
	var mode, version string
	if err := db.scan(ctx, "SELECT sqlite_version()", &version); err != nil {
		return err
	}
	var v [3]int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2]); err != nil {
		return fmt.Errorf("read the version of SQLite, %q: %w", version, err)
	}
	if v[0]*1_000_000+v[1]*1000+v[2] < minEngine[0]*1_000_000+minEngine[1]*1000+minEngine[2] {
		return fmt.Errorf("this program has SQLite %s, which can lose data; build it with %d.%d.%d or newer", version, minEngine[0], minEngine[1], minEngine[2])
	}
	if err := db.scan(ctx, "PRAGMA journal_mode", &mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system cannot hold a write-ahead log (mode %s); use a local disk", mode)
	}
	return nil
}

// scan reads one row with the writer's connection, before the group has it.
func (db *DB) scan(ctx context.Context, query string, dest ...any) error {
	return sqldb.NewView(ctx, db.writer, sqldb.SQLite).QueryRow(query).Scan(dest...)
}

// checkpoint syncs the log and moves it into the file. Where there is no room
// for that the log stays, which costs nothing but its size: a full disk must
// keep nobody from reading.
func (db *DB) checkpoint(ctx context.Context) error {
	var busy, logged, moved int
	err := db.scan(ctx, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, &logged, &moved)
	switch {
	case errors.Is(err, sqldb.ErrFull):
		db.log.Warn().Err(err).Str("file", db.path).Msg("the log of the database stays until there is room")
	case err != nil:
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// Scrub moves the log into the file and empties it, so that what was deleted is
// in neither of them: the file's pages are overwritten by every deletion. Writes
// wait meanwhile. It returns sqldb.ErrBusy where somebody reads an older state.
func (db *DB) Scrub(ctx context.Context) error {
	var scrubbed error
	err := db.Write(ctx, func(tx *sqldb.Tx) error {
		tx.AfterCommit(func() { scrubbed = db.scrub() })
		return nil
	})
	if err != nil {
		return fmt.Errorf("scrub: %w", err)
	}
	return scrubbed
}

// scrub is called by the writer's goroutine between two transactions.
func (db *DB) scrub() error {
	ctx := context.Background()
	var ms, busy, logged, moved int
	if err := db.scan(ctx, "PRAGMA busy_timeout = 50", &ms); err != nil { // readers are quick
		return fmt.Errorf("scrub: %w", err)
	}
	err := db.scan(ctx, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, &logged, &moved)
	if err == nil && busy != 0 {
		err = sqldb.ErrBusy
	}
	if err = errors.Join(err, db.scan(ctx, "PRAGMA busy_timeout = 5000", &ms)); err != nil {
		return fmt.Errorf("scrub: %w", err)
	}
	return nil
}

// Path is the absolute path of the database's file. Beside it lie its log
// (-wal, -shm), its lease (.lock) and backups of older schemas (.v1.bak).
func (db *DB) Path() string { return db.path }

// Dialect implements sqldb.DB.
func (db *DB) Dialect() sqldb.Dialect { return sqldb.SQLite }

// Stats implements sqldb.DB.
func (db *DB) Stats() sqldb.Stats {
	return sqldb.Stats{
		Writes: db.group.Writes(), Commits: db.group.Commits(),
		Reads: db.reads.Load(), Queued: db.group.Queued(),
		Readers: db.readers.connections(),
	}
}

// Check implements sqldb.DB.
func (db *DB) Check() error { return db.group.Check() }

// Write implements sqldb.DB.
func (db *DB) Write(ctx context.Context, fn func(tx *sqldb.Tx) error) error {
	return db.group.Write(ctx, fn)
}

// Close ends the database: requests that wait are still written, readers may
// finish, new ones get sqldb.ErrClosed. The log is moved into the file. It may be
// called more than once; later calls return the same.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.group.Close()
		db.closeErr = errors.Join(db.readers.close(), db.checkpoint(context.Background()), db.abort())
	})
	return db.closeErr
}

// abort closes what open opened, without the readers.
func (db *DB) abort() error {
	var errs []error
	if db.writer != nil {
		errs = append(errs, db.writer.close())
	}
	if db.writerPool != nil {
		errs = append(errs, db.writerPool.Close())
	}
	return errors.Join(append(errs, db.lease.Release())...)
}

// noTransaction recognizes the answer to a ROLLBACK that SQLite was ahead of.
// It has no code of its own.
func noTransaction(err error) bool {
	return strings.Contains(err.Error(), "no transaction is active")
}
