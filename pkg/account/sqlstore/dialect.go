package sqlstore

import "github.com/porticod/portico/pkg/sqldb"

// What differs between the engines. Everything else is one text.

// all is the LIMIT of a query that has an OFFSET alone: it is more than there can
// be. SQLite has no OFFSET without a LIMIT, PostgreSQL none below zero.
const all = `1000000000`

// each has a row for each element of the first parameter, a JSON array that is not
// null; its column value is JSON.
func each(d sqldb.Dialect) string { return d.Pick(`json_each(?1)`, `json_array_elements(?1::json)`) }

// listed selects the numbers of the first parameter, a JSON array that is not null.
func listed(d sqldb.Dialect) string {
	return d.Pick(`SELECT value FROM json_each(?1)`, `SELECT value::bigint FROM json_array_elements_text(?1::json)`)
}

// position is the function that finds a text in another: from 1 on, 0 where it is
// not in it.
func position(d sqldb.Dialect) string { return d.Pick(`instr`, `strpos`) }
