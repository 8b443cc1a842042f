package sqlstore

import "github.com/porticod/portico/pkg/sqldb"

// Schema is the number of the newest migration of SQLite.
func Schema() int {
	n, _ := sqldb.Schema(Migrations(sqldb.SQLite)) // as Open sees them, which refuses what is wrong
	return n
}
