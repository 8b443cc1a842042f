package sqlstore

import (
	"io/fs"

	"github.com/porticod/portico/pkg/sqldb"
)

// Schema is the number of the newest migration.
func Schema() int {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0 // it is embedded
	}
	n, _ := sqldb.Schema(sub) // as Open sees them, which refuses what is wrong
	return n
}
