package service

import (
	"context"
	"io/fs"

	"github.com/porticod/portico/pkg/sqldb"
)

// A Keeper is a Type that says what its services keep below Env.Dir, for backups
// and restores. Services of other kinds are in backups too: all their files,
// databases as of one moment.
type Keeper interface {
	Keeps() Kept
}

// Kept is what lies in a folder. Paths are relative to it, with slashes.
type Kept struct {
	Databases []Database
	// Leave are folders that backups need not have: caches, and what is only on
	// its way.
	Leave []string
	// Mark is the name of an empty file that a restore leaves in the folder; "":
	// none. The service that finds it does what a step back in time asks for, such
	// as naming a new epoch, and then removes it.
	Mark string
}

// A Database is one of SQLite, with numbered migrations.
type Database struct {
	Path string
	// Schema is the newest that this program knows.
	Schema int
	// Blobs is the folder of the blob.Dir that the database refers to; "": none.
	// Its files are written before the rows that need them are committed, and
	// deleted after none is left.
	Blobs string
	// Refs are the columns that hold the names of blobs, in hexadecimal.
	Refs []Column
	// Move says how the rows get into another engine; nil: they cannot.
	Move *Move
}

// A Move is what is to know of a database that may also be one of another engine,
// with the same tables.
type Move struct {
	Migrations func(sqldb.Dialect) (fs.FS, error)
	// Leave are tables that are made anew, or mean nothing elsewhere.
	Leave []string
	// Finish makes of a copy, in which nobody was before, what the store expects; nil:
	// it is. It may be called again.
	Finish func(ctx context.Context, db sqldb.DB) error
}

// A Column of a table.
type Column struct{ Table, Name string }

// Keeps is what the kind's services keep, as far as it says so.
func (k Kind) Keeps() Kept {
	if s, ok := k.typ.(Keeper); ok {
		return s.Keeps()
	}
	return Kept{}
}
