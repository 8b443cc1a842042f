// Package postgres keeps a database in a schema of a PostgreSQL server: for all
// nodes together one writer at a time, who commits the requests of many with one
// commit, readers beside it, numbered migrations. It knows no tables.
//
// Nothing is tried again by itself but the first statement of a transaction, on a
// connection that broke before. Writers wait for each other's lock, so they do not
// conflict; where somebody else brings a deadlock about (40P01), a change of the
// schema amid reads, the request gets ErrBusy. What became of a commit whose answer was
// lost only the caller can find out, by what it wrote: it asks again with the same key.
//
// It needs the server itself. A pooler, such as PgBouncer, does not pass on the settings
// of connections, and is refused.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
)

const (
	minServer   = 150000 // server_version_num
	connectTime = 5 * time.Second
	silentTime  = 4 * time.Second // without a sign of the server, where it owes one
	closeTime   = 2 * time.Second
	readTime    = 30 * time.Second // of one Read
	// awayTime is how long Open waits for a server that is just being started anew. Who
	// has more time opens again.
	awayTime = 2 * time.Second
)

// writerIdle is how long others wait for the writer's lock of a node that stopped,
// or was cut off from the server, amid a transaction.
const writerIdle = "2s"

// session is what every connection asks for. The last four have the server drop
// connections of a node that it cannot reach any more, idle ones, too: after two
// hours of silence, its own default, a few such nodes would have taken all that it
// has for everybody.
var session = map[string]string{
	"application_name":                    "portico",
	"idle_in_transaction_session_timeout": "30s",
	"statement_timeout":                   "30s",
	"lock_timeout":                        "15s",
	"timezone":                            "UTC",
	"client_encoding":                     "UTF8",
	"tcp_user_timeout":                    "5s",
	"tcp_keepalives_idle":                 "5",
	"tcp_keepalives_interval":             "2",
	"tcp_keepalives_count":                "3",
}

// Options say how a database is opened.
type Options struct {
	// Schema is the one that has the tables; it is made where it is missing. All
	// who write to it are one after another. See SchemaName.
	Schema string
	// Migrations has files as sqldb.Migrations reads them, of PostgreSQL. Their
	// first line may be "-- oldest: N": programs that know migration N still work
	// after this one. Without it programs have to know the migration.
	Migrations fs.FS
	// Claim is that of who fills the schema; nil: the schema is in use. Somebody else's
	// is an error that matches ErrClaimed.
	Claim *Claim
	Log   zerolog.Logger
	// ReadConns is the most connections that read at a time; default 8. They are
	// opened when needed and closed after half a minute without use.
	ReadConns int
	// Wait is the longest wait for the writer's turn or a reader; default 10 s.
	Wait time.Duration
	// Trace, where it is set, is called with the text of each statement once.
	Trace func(query string)
}

// DB is a sqldb.DB. Its connections come back by themselves after the server was
// away.
type DB struct {
	schema string
	log    zerolog.Logger
	wait   time.Duration
	config *pgxpool.Config
	texts  texts

	transactor *transactor
	group      *sqldb.Group
	readers    *pgxpool.Pool

	reads     atomic.Int64
	closed    atomic.Bool
	closeOnce sync.Once
}

var _ sqldb.DB = (*DB)(nil)

// Open connects to the server of url (postgres://user:password@host,host/name,
// as PostgreSQL's libpq reads it) and brings the schema up to date. The caller
// closes the database. ErrAway: the server is away, for seconds already, or another
// node brings the schema up to date.
func Open(ctx context.Context, url string, opt Options) (*DB, error) {
	config, err := parsePool(url)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{schema: opt.Schema, log: opt.Log, wait: opt.Wait, config: config, texts: texts{trace: opt.Trace}}
	if db.wait <= 0 {
		db.wait = 10 * time.Second
	}
	db.configure(opt)
	if err := db.open(ctx, opt); err != nil {
		err = classify(err)
		if errors.Is(err, sqldb.ErrBusy) { // the lock is another's, who will be done
			err = fmt.Errorf("%w: %w", sqldb.ErrAway, err)
		}
		return nil, fmt.Errorf("open database %s at %s: %w", opt.Schema, config.ConnConfig.Host, err)
	}
	return db, nil
}

// settle sets what connections to a schema have in common.
func settle(c *pgx.ConnConfig, schema string) {
	for k, v := range session {
		c.RuntimeParams[k] = v
	}
	c.RuntimeParams["search_path"] = pgx.Identifier{schema}.Sanitize()
	if c.ConnectTimeout == 0 || c.ConnectTimeout > connectTime {
		c.ConnectTimeout = connectTime
	}
	c.DialFunc = dialer().DialContext
	if c.ValidateConnect == nil { // of several servers the one that takes changes
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}

func (db *DB) configure(opt Options) {
	c := db.config
	settle(c.ConnConfig, db.schema)
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return prepare(ctx, conn) }
	c.MinConns, c.MaxConns, c.MaxConnIdleTime = 0, int32(opt.ReadConns), 30*time.Second
	if c.MaxConns <= 0 {
		c.MaxConns = 8
	}
}

// prepare makes commits durable, whatever the server does for others.
func prepare(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')`)
	return err
}

func connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, classify(err)
	}
	if err := prepare(ctx, c); err != nil {
		_ = c.Close(ctx)
		return nil, classify(err)
	}
	return c, nil
}

func (db *DB) open(ctx context.Context, opt Options) error {
	ctx, cancel := context.WithTimeout(ctx, awayTime+transactionTime)
	defer cancel()
	c, err := db.first(ctx)
	if err != nil {
		return err
	}
	err = db.migrate(ctx, &conn{c: c, texts: &db.texts}, opt)
	if cerr := c.Close(ctx); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if db.readers, err = pgxpool.NewWithConfig(context.Background(), db.config); err != nil { // connects when needed
		return err
	}
	db.transactor = newTransactor(db.config.ConnConfig.Copy(), &db.texts, db.schema)
	db.group = sqldb.NewGroup(db.transactor, sqldb.GroupOptions{
		Log: db.log.With().Str("schema", db.schema).Logger(), Dialect: sqldb.Postgres, Batch: batchLen, Wait: db.wait,
	})
	return nil
}

// first is the first connection. A server may be starting.
func (db *DB) first(ctx context.Context) (*pgx.Conn, error) {
	for end := time.Now().Add(awayTime); ; {
		c, err := connect(ctx, db.config.ConnConfig)
		if err == nil || !errors.Is(err, sqldb.ErrAway) || time.Now().After(end) || refused(err) {
			return c, err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// lockKey is the advisory lock of a schema's writers. Advisory locks are those of
// one database of the server.
func lockKey(schema string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("portico:" + schema))
	return int64(h.Sum64())
}

// Write implements sqldb.DB.
func (db *DB) Write(ctx context.Context, fn func(tx *sqldb.Tx) error) error {
	return db.group.Write(ctx, fn)
}

// Read implements sqldb.DB.
func (db *DB) Read(ctx context.Context, fn func(q sqldb.Queryer) error) error {
	wait, cancelWait := context.WithTimeoutCause(ctx, db.wait, sqldb.ErrBusy)
	defer cancelWait()
	held, err := db.acquire(wait)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer func() { held.Release() }() // which drops it where it is in a transaction, or broken
	rctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	c := &conn{c: held.Conn(), texts: &db.texts, later: []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}}
	c.renew = func(context.Context) (*pgx.Conn, error) {
		db.readers.Reset() // the others will have broken with it
		another, err := db.acquire(wait)
		if err != nil {
			return nil, err
		}
		held.Release()
		held = another
		return held.Conn(), nil
	}
	db.reads.Add(1)
	err = sqldb.Protect(func() error { return fn(sqldb.NewView(rctx, c, sqldb.Postgres)) })
	sqldb.LogPanic(db.log, err)
	if len(c.later) == 0 && !c.c.IsClosed() {
		_ = c.simple(rctx, "ROLLBACK")
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("read: %w", ctx.Err()) // an interrupted query
	}
	return err
}

// acquire takes a connection that reads.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if db.closed.Load() {
		return nil, sqldb.ErrClosed
	}
	held, err := db.readers.Acquire(ctx)
	switch {
	case err == nil:
		return held, nil
	case db.closed.Load():
		return nil, sqldb.ErrClosed
	case context.Cause(ctx) != nil:
		return nil, context.Cause(ctx)
	}
	return nil, classify(err)
}

// Scrub implements sqldb.DB. When what was deleted leaves the server's files is
// up to its vacuum.
func (db *DB) Scrub(context.Context) error { return nil }

// Dialect implements sqldb.DB.
func (db *DB) Dialect() sqldb.Dialect { return sqldb.Postgres }

// Stats implements sqldb.DB.
func (db *DB) Stats() sqldb.Stats {
	return sqldb.Stats{
		Writes: db.group.Writes(), Commits: db.group.Commits(), Reads: db.reads.Load(),
		Queued: db.group.Queued(), Readers: int(db.readers.Stat().TotalConns()),
	}
}

// Check implements sqldb.DB.
func (db *DB) Check() error { return db.group.Check() }

// Close implements sqldb.DB.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.closed.Store(true)
		db.group.Close()
		db.transactor.close()
		db.readers.Close()
	})
	return nil
}
