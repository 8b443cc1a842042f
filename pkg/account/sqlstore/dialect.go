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

// partLength is how many letters a row of user_part has.
const partLength = 24

// findUsers finds users by ?1, what a username begins with or a name holds; ?2 is
// behind what begins so, ?3 the limit. One machine has few enough people to look at
// all names. PostgreSQL has the parts of names in a table, where what begins with the
// first letters of ?1 lies from ?4 to ?5.
func findUsers(d sqldb.Dialect) string {
	const found = ` AND suspended = 0` + alive
	return d.Pick(`(username >= ?1 AND username < ?2 OR instr(folded, ?1) > 0)`+found+`
			ORDER BY username <> ?1, folded <> ?1, instr(username, ?1) <> 1, username LIMIT ?3`,
		`id IN (SELECT id FROM (SELECT id FROM "user" WHERE username >= ?1 AND username < ?2`+found+` ORDER BY username LIMIT ?3) a
			UNION SELECT user_id FROM (SELECT p.user_id FROM user_part p JOIN "user" u ON u.id = p.user_id
				WHERE p.part >= ?4 AND p.part < ?5 AND strpos(u.folded, ?1) > 0`+found+` ORDER BY p.part, p.user_id LIMIT 4 * ?3) b)
			ORDER BY username <> ?1, folded <> ?1, strpos(username, ?1) <> 1, username LIMIT ?3`)
}
