package transfer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/sqldb"
)

// A table that both databases have.
type table struct {
	name    string
	columns []string // the same in both, in order of their names
	key     []int    // columns of the primary key
	unique  [][]int  // columns of other keys of the target
}

func (t *table) keyNames() []string { return t.names(t.key) }

func (t *table) names(columns []int) (names []string) {
	for _, i := range columns {
		names = append(names, t.columns[i])
	}
	return names
}

func (t *table) keyOf(row []any) (key []any) {
	for _, i := range t.key {
		key = append(key, row[i])
	}
	return key
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return strings.Join(quoted, ", ")
}

// Questions about a database. What begins with portico_ is no store's.
const (
	liteTables = `SELECT name, '' FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`
	pgTables   = `SELECT relname::text, '' FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname NOT LIKE 'portico\_%'`

	liteColumns = `SELECT l.name, c.name FROM pragma_table_list l, pragma_table_info(l.name) c WHERE l.schema = 'main' AND l.type = 'table'`
	pgColumns   = `SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = current_schema()`

	liteKeys = `SELECT l.name, c.name FROM pragma_table_list l, pragma_table_info(l.name) c WHERE l.schema = 'main' AND l.type = 'table' AND c.pk > 0 ORDER BY l.name, c.pk`
	pgKeys   = `SELECT t.relname::text, a.attname::text FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
		CROSS JOIN unnest(i.indkey) WITH ORDINALITY k (number, place) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
		WHERE t.relnamespace = current_schema()::regnamespace AND i.indisprimary ORDER BY t.relname, k.place`

	// pgUnique gives the columns of an index with commas; there are none in names.
	pgUnique = `SELECT t.relname::text, string_agg(a.attname::text, ',' ORDER BY k.place) FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
		CROSS JOIN unnest(i.indkey) WITH ORDINALITY k (number, place) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
		WHERE t.relnamespace = current_schema()::regnamespace AND i.indisunique AND NOT i.indisprimary GROUP BY t.relname, i.indexrelid`
)

// plan finds the tables, in order of their names.
func plan(ctx context.Context, from Source, to sqldb.DB, leave []string) (tables []*table, err error) {
	var sides [2]map[string][]string // columns by table
	for i, db := range []Source{from, to} {
		if sides[i], err = columnsOf(ctx, db, leave); err != nil {
			return nil, err
		}
	}
	keys, err := pairs(ctx, to, liteKeys, pgKeys)
	if err != nil {
		return nil, err
	}
	unique := map[string][]string{} // SQLite takes what is in the way out by itself
	if to.Dialect() == sqldb.Postgres {
		if unique, err = pairs(ctx, to, "", pgUnique); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sides[0])) {
		t := &table{name: name, columns: sides[0][name]}
		if !slices.Equal(t.columns, sides[1][name]) {
			return nil, differs(name, from, to, t.columns, sides[1][name])
		}
		if t.key = t.places(keys[name]); len(t.key) == 0 {
			return nil, fmt.Errorf("table %s has no primary key", name)
		}
		for _, u := range unique[name] {
			t.unique = append(t.unique, t.places(strings.Split(u, ",")))
		}
		tables = append(tables, t)
	}
	for name, columns := range sides[1] {
		if _, both := sides[0][name]; !both {
			return nil, differs(name, from, to, nil, columns)
		}
	}
	return tables, nil
}

func differs(name string, from, to Source, a, b []string) error {
	return fmt.Errorf("table %s has the columns %v in %s and %v in %s; restart the daemon with this version of portico first", name, a, from.Dialect(), b, to.Dialect())
}

// places are those of columns by their names.
func (t *table) places(names []string) (at []int) {
	for _, n := range names {
		at = append(at, slices.Index(t.columns, n))
	}
	return at
}

// columnsOf are the columns of the tables that are copied, in order of their names.
func columnsOf(ctx context.Context, db Source, leave []string) (map[string][]string, error) {
	has, err := pairs(ctx, db, liteTables, pgTables)
	if err != nil {
		return nil, err
	}
	columns, err := pairs(ctx, db, liteColumns, pgColumns)
	if err != nil {
		return nil, err
	}
	for name := range has {
		if slices.Contains(leave, name) {
			delete(has, name)
			continue
		}
		has[name] = columns[name]
		slices.Sort(has[name])
	}
	return has, nil
}

// pairs are the answers to a question, the second column by the first.
func pairs(ctx context.Context, db Source, lite, pg string) (all map[string][]string, err error) {
	all = map[string][]string{}
	err = db.Read(ctx, func(q sqldb.Queryer) error {
		rows, err := q.Query(db.Dialect().Pick(lite, pg))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a, b string
			if err := rows.Scan(&a, &b); err != nil {
				return err
			}
			all[a] = append(all[a], b)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("look at the tables: %w", err)
	}
	return all, nil
}
