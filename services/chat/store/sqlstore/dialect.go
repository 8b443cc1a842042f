package sqlstore

import (
	"embed"
	"io/fs"

	"github.com/porticod/portico/pkg/sqldb"
)

//go:embed migrations/*.sql migrations/postgres/*.sql
var migrations embed.FS

// Migrations are those of an engine, for who opens its database.
func Migrations(d sqldb.Dialect) (fs.FS, error) {
	return fs.Sub(migrations, d.Pick("migrations", "migrations/postgres"))
}

// Schema is the number of SQLite's newest migration.
func Schema() int {
	sub, err := Migrations(sqldb.SQLite)
	if err != nil {
		return 0 // it is embedded
	}
	n, _ := sqldb.Schema(sub) // as Open sees them, which refuses what is wrong
	return n
}

// both runs two changes of different tables that share their arguments: in one
// round trip where there are any.
func both(t *txn, one, other string, args ...any) error {
	if t.Dialect() == sqldb.Postgres {
		_, err := t.Exec(`WITH one AS (`+one+`) `+other, args...)
		return err
	}
	return exec(t, args, one, other)
}

// leap leaves out ids of a table whose ids are never used again.
func leap(tx *sqldb.Tx, table string, by int64) error {
	if tx.Dialect() == sqldb.SQLite {
		_, err := tx.Exec(`UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ?`, by, table)
		return err
	}
	var last int64
	return tx.QueryRow(`SELECT setval(s, nextval(s) + ?) FROM (SELECT CAST(pg_get_serial_sequence(?, 'id') AS regclass) AS s) x`, by, table).Scan(&last)
}
