package storage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/pkg/transfer"
)

// database is where a block has the rows of a place; "": in its folder.
func (c Config) database(p Place) (string, error) {
	if c.Database == "" {
		return "", nil
	}
	at, err := postgres.Where(c.Database.Reveal())
	if err != nil {
		return "", fmt.Errorf("storage.database: %w", err)
	}
	return "schema " + p.schema() + " of " + at, nil
}

// A closer is a function to be called at the end.
type closer func() error

// source opens the rows of a part where they are. alone: nobody writes to them as
// long as it is open; hold is what sees to that in PostgreSQL, nil elsewhere.
func (m *Move) source(ctx context.Context, p Part, way Way, alone bool) (from transfer.Source, hold *postgres.Hold, end closer, err error) {
	path := filepath.Join(p.Dir, p.File)
	switch {
	case way.From != "":
		return m.sourceSchema(ctx, p, alone)
	case alone:
		sub, err := p.Migrations(sqldb.SQLite)
		if err != nil {
			return nil, nil, nil, err
		}
		db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: sub, Log: m.Log})
		if err != nil {
			return nil, nil, nil, err
		}
		return db, nil, db.Close, nil
	}
	look, err := sqlite.NewLook(path, m.Log)
	if err != nil {
		return nil, nil, nil, err
	}
	n, err := look.Schema(ctx)
	if err == nil && n != p.Schema {
		err = fmt.Errorf("%s has the schema %d, and this program copies %d: restart the daemon with this version of portico first", path, n, p.Schema)
	}
	if err != nil {
		return nil, nil, nil, errors.Join(err, look.Close())
	}
	return look, nil, look.Close, nil
}

func (m *Move) sourceSchema(ctx context.Context, p Part, alone bool) (transfer.Source, *postgres.Hold, closer, error) {
	url := m.From.Database.Reveal()
	schema := p.schema()
	moved, err := postgres.Moved(ctx, url, schema, m.mark.ID)
	if err != nil {
		return nil, nil, nil, err
	}
	if moved != "" { // by a move that ended at that point: nobody writes there
		schema, alone = moved, false
	}
	sub, err := p.Migrations(sqldb.Postgres)
	if err != nil {
		return nil, nil, nil, err
	}
	db, err := postgres.Open(ctx, url, postgres.Options{Schema: schema, Migrations: sub, Log: m.Log})
	if err != nil || !alone {
		return db, nil, func() error { return db.Close() }, err
	}
	hold, err := db.Hold(ctx)
	if err != nil {
		return nil, nil, nil, errors.Join(err, db.Close())
	}
	return db, hold, func() error { return errors.Join(hold.Release(), db.Close()) }, nil
}

// target opens the rows of a part where they are to be, and where nobody else can.
func (m *Move) target(ctx context.Context, p Part, way Way) (sqldb.DB, error) {
	if way.To == "" {
		sub, err := p.Migrations(sqldb.SQLite)
		if err != nil {
			return nil, err
		}
		return opened(sqlite.Open(ctx, filepath.Join(p.Dir, p.File)+halfEnd, sqlite.Options{Migrations: sub, Log: m.Log, Unchecked: true}))
	}
	sub, err := p.Migrations(sqldb.Postgres)
	if err != nil {
		return nil, err
	}
	claim := postgres.Claim{ID: m.mark.ID, Text: fmt.Sprintf("a move into it was begun on %s, from %s on another machine or in another folder: wait for its end, or give it up there with portico migrate --abandon",
		m.mark.Begun.Format("2006-01-02"), m.mark.Origin())}
	return opened(postgres.Open(ctx, m.To.Database.Reveal(), postgres.Options{Schema: p.schema(), Migrations: sub, Claim: &claim, Log: m.Log}))
}

// opened keeps a nil pointer from becoming an interface that is not nil.
func opened[DB sqldb.DB](db DB, err error) (sqldb.DB, error) {
	if err != nil {
		return nil, err
	}
	return db, nil
}

// rows copies the rows of a part once, or, where nobody writes, until they are the
// same and fit for the store. With alone it returns what holds the source; the caller
// ends that.
func (m *Move) rows(ctx context.Context, p Part, way Way, alone bool) (r transfer.Report, hold *postgres.Hold, end closer, err error) {
	from, hold, end, err := m.source(ctx, p, way, alone)
	if err != nil {
		return r, nil, nil, err
	}
	to, err := m.target(ctx, p, way)
	if err != nil {
		return r, nil, nil, errors.Join(err, end())
	}
	opt := transfer.Options{Leave: p.Leave, Progress: func(table string, n int64) { m.tell(p.who()+" "+table, n) }}
	sweep := transfer.Sweep
	if alone {
		sweep = transfer.Same
	}
	if err = transfer.Prepare(ctx, to); err == nil {
		r, err = sweep(ctx, from, to, opt)
	}
	if err == nil && alone {
		err = transfer.Finish(ctx, from, to)
		if err == nil && p.Finish != nil {
			m.tell(p.who()+": the words of what was written", 0)
			err = p.Finish(ctx, to)
		}
	}
	if err = errors.Join(err, to.Close()); err != nil || !alone {
		return r, nil, nil, errors.Join(err, end())
	}
	return r, hold, end, nil
}

func (m *Move) tell(what string, done int64) {
	if m.Tell != nil {
		m.Tell(what, done)
	}
}
