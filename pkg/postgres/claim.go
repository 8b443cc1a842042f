package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/porticod/portico/pkg/sqldb"
)

// ErrClaimed: somebody moves what is in the schema, or has moved it.
var ErrClaimed = errors.New("the schema is not in use")

// A Claim is that of who fills a schema from elsewhere, or has taken elsewhere what
// was in it. Nobody else opens the schema as long as it is there.
type Claim struct {
	ID   string // of the same one, later
	Text string // what others are told
}

// claimTable has at most one row. moved is the schema that has what was here before.
const claimTable = `CREATE TABLE %s.portico_claim (
	one   smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1),
	id    text NOT NULL,
	said  text NOT NULL,
	moved text NOT NULL DEFAULT ''
)`

// claimed is what a schema says of who claims it; the zero value where nobody does.
type claimed struct{ id, said, moved string }

func readClaim(ctx context.Context, c *conn, schema string) (r claimed, err error) {
	q := sqldb.NewView(ctx, c, sqldb.Postgres)
	var n int
	if err := q.QueryRow(`SELECT count(*) FROM pg_tables WHERE schemaname = ? AND tablename = 'portico_claim'`, schema).Scan(&n); err != nil || n == 0 {
		return r, err
	}
	err = q.QueryRow(`SELECT id, said, moved FROM `+pgx.Identifier{schema, "portico_claim"}.Sanitize()).Scan(&r.id, &r.said, &r.moved)
	return r, err
}

// claim makes sure that the schema is free for who opens it. It runs in the
// transaction of the migrations.
func (db *DB) claim(ctx context.Context, c *conn, want *Claim) error {
	is, err := readClaim(ctx, c, db.schema)
	switch {
	case err != nil:
		return err
	case is.id != "" && (want == nil || want.ID != is.id && is.moved == ""):
		return fmt.Errorf("%w: %s", ErrClaimed, is.said)
	case want == nil || is.id == want.ID && is.moved == "":
		return nil
	}
	name := pgx.Identifier{db.schema}.Sanitize()
	if is.moved != "" { // what was here is in another schema: this one is empty
		_, err := c.Exec(ctx, `UPDATE `+name+`.portico_claim SET id = ?, said = ?, moved = ''`, want.ID, want.Text)
		return err
	}
	var tables int
	if err := sqldb.NewView(ctx, c, sqldb.Postgres).QueryRow(`SELECT count(*) FROM pg_tables WHERE schemaname = ?`, db.schema).Scan(&tables); err != nil {
		return err
	}
	if tables > 0 {
		return fmt.Errorf("the schema %s has data already; look what it is, and if nobody needs it: DROP SCHEMA %s CASCADE", db.schema, name)
	}
	if err := c.simple(ctx, fmt.Sprintf(claimTable, name)); err != nil {
		return err
	}
	_, err = c.Exec(ctx, `INSERT INTO `+name+`.portico_claim (id, said) VALUES (?, ?)`, want.ID, want.Text)
	return err
}

// claimTime bounds what is done about a claim.
const claimTime = 30 * time.Second

// on runs fn with a connection of its own to the server of url.
func on(ctx context.Context, url, schema string, fn func(ctx context.Context, c *conn) error) error {
	config, err := parse(url)
	if err != nil {
		return err
	}
	settle(config, schema)
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	c, err := connect(ctx, config)
	if err != nil {
		return err
	}
	return errors.Join(fn(ctx, &conn{c: c, texts: &texts{}}), c.Close(ctx))
}

// Moved is the schema to which the claim with an ID has moved what was in another
// one; "": it has not.
func Moved(ctx context.Context, url, schema, id string) (to string, err error) {
	err = on(ctx, url, schema, func(ctx context.Context, c *conn) error {
		is, err := readClaim(ctx, c, schema)
		if is.id == id {
			to = is.moved
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("look who claims the schema %s: %w", schema, err)
	}
	return to, nil
}

// Disclaim gives a schema with the claim of an ID free for those who open it. It may
// have been done before.
func Disclaim(ctx context.Context, url, schema, id string) error {
	err := on(ctx, url, schema, func(ctx context.Context, c *conn) error {
		is, err := readClaim(ctx, c, schema)
		if err != nil || is.id != id || is.moved != "" {
			return err
		}
		return c.simple(ctx, `DROP TABLE `+pgx.Identifier{schema, "portico_claim"}.Sanitize())
	})
	if err != nil {
		return fmt.Errorf("give the schema %s free: %w", schema, err)
	}
	return nil
}

// A Hold keeps everybody, on every node, from writing to a schema, as long as its
// connection lasts.
type Hold struct {
	schema string
	c      *conn
}

// Hold waits for who writes just now. The caller releases it. The DB cannot write
// meanwhile either.
func (db *DB) Hold(ctx context.Context) (*Hold, error) {
	c, err := connect(ctx, db.config.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("hold the schema %s: %w", db.schema, err)
	}
	h := &Hold{db.schema, &conn{c: c, texts: &db.texts}}
	if err := h.c.simple(ctx, fmt.Sprintf("SELECT pg_advisory_lock(%d)", lockKey(db.schema))); err != nil {
		return nil, errors.Join(fmt.Errorf("hold the schema %s: %w", db.schema, err), h.Release())
	}
	return h, nil
}

// Move renames the schema to another name and leaves a claim in its place: nodes that
// run find no tables any more, those that start are told of it. It fails where the
// hold was lost meanwhile.
func (h *Hold) Move(ctx context.Context, claim Claim, to string) error {
	name, other := pgx.Identifier{h.schema}.Sanitize(), pgx.Identifier{to}.Sanitize()
	err := h.c.simple(ctx, "BEGIN")
	for _, text := range []string{`ALTER SCHEMA ` + name + ` RENAME TO ` + other, `CREATE SCHEMA ` + name, fmt.Sprintf(claimTable, name)} {
		if err == nil {
			err = h.c.simple(ctx, text)
		}
	}
	if err == nil {
		_, err = h.c.Exec(ctx, `INSERT INTO `+name+`.portico_claim (id, said, moved) VALUES (?, ?, ?)`, claim.ID, claim.Text, to)
	}
	if err == nil {
		err = h.c.simple(ctx, "COMMIT")
	}
	if err != nil {
		return fmt.Errorf("put the schema %s aside as %s: %w", h.schema, to, err)
	}
	return nil
}

// Release ends the hold, and what Move did not get done.
func (h *Hold) Release() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := h.c.c.Close(ctx); err != nil {
		return fmt.Errorf("release the schema %s: %w", h.schema, err)
	}
	return nil
}

// Drop removes a schema that the claim with an ID fills, with all that is in it.
func Drop(ctx context.Context, url, schema, id string) error {
	err := on(ctx, url, schema, func(ctx context.Context, c *conn) error {
		is, err := readClaim(ctx, c, schema)
		if err != nil || is.id != id || is.moved != "" {
			return err
		}
		return c.simple(ctx, `DROP SCHEMA `+pgx.Identifier{schema}.Sanitize()+` CASCADE`)
	})
	if err != nil {
		return fmt.Errorf("remove the schema %s: %w", schema, err)
	}
	return nil
}
