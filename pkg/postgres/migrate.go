package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/porticod/portico/pkg/sqldb"
)

// SchemaName is the schema of a store: portico_ and the parts, as far as
// PostgreSQL takes that (63 bytes).
func SchemaName(parts ...string) string {
	name := "portico_" + strings.Join(parts, "_")
	if len(name) <= 63 {
		return name
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return fmt.Sprintf("%s_%016x", strings.ToValidUTF8(name[:46], ""), h.Sum64())
}

// schemaTable says how far the migrations are, and which programs still work
// with that.
const schemaTable = `CREATE TABLE IF NOT EXISTS portico_schema (
	one     smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1),
	version bigint NOT NULL, -- of the last migration
	oldest  bigint NOT NULL  -- programs have to know this one
)`

// migrate brings the schema to the last migration. One node does it at a time.
func (db *DB) migrate(ctx context.Context, c *conn, opt Options) error {
	ms, err := sqldb.Migrations(opt.Migrations)
	if err != nil {
		return err
	}
	if err := checkServer(ctx, c, db.schema); err != nil {
		return err
	}
	if err := c.simple(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := db.migrations(ctx, c, ms, opt.Claim); err != nil {
		return errors.Join(err, c.simple(ctx, "ROLLBACK"))
	}
	return c.simple(ctx, "COMMIT")
}

// migrations runs in one transaction: PostgreSQL undoes changes of a schema, too.
func (db *DB) migrations(ctx context.Context, c *conn, ms []sqldb.Migration, claim *Claim) error {
	name := pgx.Identifier{db.schema}.Sanitize()
	if err := c.simple(ctx, fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", lockKey(db.schema))); err != nil {
		return err
	}
	var there bool
	q := sqldb.NewView(ctx, c, sqldb.Postgres)
	if err := q.QueryRow("SELECT count(*) > 0 FROM pg_namespace WHERE nspname = ?", db.schema).Scan(&there); err != nil {
		return err
	}
	if !there { // who may not make schemas may have been given one
		if err := c.simple(ctx, "CREATE SCHEMA "+name); err != nil {
			return fmt.Errorf("make the schema: %w", err)
		}
	}
	if err := db.claim(ctx, c, claim); err != nil {
		return err
	}
	if err := c.simple(ctx, schemaTable); err != nil {
		return err
	}
	var have, oldest int
	err := q.QueryRow("SELECT version, oldest FROM portico_schema").Scan(&have, &oldest)
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return err
	}
	if oldest > len(ms) {
		return fmt.Errorf("%w: its schema is number %d, which programs have to know from number %d on, and this one knows up to %d; run the newer program",
			sqldb.ErrNewer, have, oldest, len(ms))
	}
	for i := have; i < len(ms); i++ {
		if oldest, err = oldestOf(ms[i], i+1); err != nil {
			return err
		}
		if err := c.simple(ctx, ms[i].SQL); err != nil {
			return fmt.Errorf("migration %s: %w", ms[i].Name, err)
		}
		if _, err := c.Exec(ctx, `INSERT INTO portico_schema (version, oldest) VALUES (?, ?)
			ON CONFLICT (one) DO UPDATE SET version = excluded.version, oldest = greatest(portico_schema.oldest, excluded.oldest)`, i+1, oldest); err != nil {
			return err
		}
		db.log.Info().Str("schema", db.schema).Str("migration", ms[i].Name).Msg("migrated")
	}
	return nil
}

var oldestLine = regexp.MustCompile(`\A-- oldest: ([0-9]+)\n`)

// oldestOf is the migration that programs have to know after m, which is number.
func oldestOf(m sqldb.Migration, number int) (int, error) {
	found := oldestLine.FindStringSubmatch(m.SQL)
	if found == nil {
		return number, nil
	}
	n, err := strconv.Atoi(found[1])
	if err != nil || n < 1 || n > number {
		return 0, fmt.Errorf("migration %s: oldest is %s and not 1 to %d", m.Name, found[1], number)
	}
	return n, nil
}

func checkServer(ctx context.Context, c *conn, schema string) error {
	var version int
	var name, encoding, path string
	q := sqldb.NewView(ctx, c, sqldb.Postgres)
	err := q.QueryRow(`SELECT current_setting('server_version_num')::bigint, current_setting('server_version'), current_setting('server_encoding'), current_setting('search_path')`).
		Scan(&version, &name, &encoding, &path)
	switch {
	case err != nil:
		return err
	case version < minServer:
		return fmt.Errorf("the server is PostgreSQL %s; version %d or newer is needed", name, minServer/10000)
	case encoding != "UTF8":
		return fmt.Errorf("the database has the encoding %s; make one with ENCODING 'UTF8'", encoding)
	case path != pgx.Identifier{schema}.Sanitize():
		return errPooler
	}
	return nil
}

// errPooler: what answers is not the server, or does not do as it is told.
var errPooler = errors.New("settings of a connection do not reach PostgreSQL; name the server itself, without a pooler such as PgBouncer between")

// refused reports whether the server is there and does not let us in: waiting
// does not help.
func refused(err error) bool {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return false
	}
	switch pe.Code[:min(2, len(pe.Code))] {
	case "28", "3D", "42": // invalid authorization, invalid catalog name, access rule violation
		return true
	}
	return false
}
