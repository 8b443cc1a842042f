package sqlstore

import (
	"embed"
	"io/fs"

	"github.com/porticod/portico/pkg/sqldb"
)

// File is the name of the file of SQLite in a service's folder.
const File = "photos.db"

//go:embed migrations
var migrations embed.FS

// Migrations are those of an engine.
func Migrations(engine sqldb.Dialect) fs.FS {
	sub, err := fs.Sub(migrations, engine.Pick("migrations", "migrations/postgres"))
	if err != nil {
		return nil // it is embedded
	}
	return sub
}

// Schema is the number of the newest migration of SQLite.
func Schema() int {
	n, _ := sqldb.Schema(Migrations(sqldb.SQLite)) // as Open sees them, which refuses what is wrong
	return n
}
