package sqlstore

import (
	"context"
	"database/sql"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/storetest"
)

// TestStore runs the contract and then looks at how each statement of it was
// carried out: none may read a whole table, however large it becomes.
func TestStore(t *testing.T) {
	var mu sync.Mutex
	texts := map[string]bool{}
	trace := func(query string) {
		mu.Lock()
		defer mu.Unlock()
		texts[query] = true
	}
	storetest.Run(t, func(t *testing.T, dir string, now func() time.Time) store.Store {
		t.Helper()
		d, err := open(t.Context(), filepath.Join(dir, "photos.db"), sqlite.Options{Trace: trace, Log: zerolog.Nop()}, now)
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
	db := planner(t)
	for text := range texts {
		if !regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b`).MatchString(text) {
			continue
		}
		for _, step := range plan(t, db, text) {
			if scans(step, text) {
				t.Errorf("%s\n  in %s", step, text)
			}
		}
	}
}

// mayScan are tables that are small, and beginnings of statements that count on
// purpose: at the start, for the operator's page and metrics, and for whoever asks
// about the instance, at most once a minute.
var mayScan = []string{
	"SCAN jobs", "SELECT CAST(coalesce(sum(statuses), 0) AS bigint), count(*)", "SELECT (SELECT count(*) FROM media), (SELECT CAST(coalesce(sum(bytes), 0)",
	"DELETE FROM turns", "UPDATE jobs SET taken_by = '', taken_until = 0 WHERE taken_until > 0",
}

// scans tells whether a step of a plan reads a table from its begin to its end.
// Going along an index is fine where the statement ends after some rows.
func scans(step, text string) bool {
	for _, fine := range mayScan {
		if strings.HasPrefix(text, fine) || strings.HasPrefix(step, fine) {
			return false
		}
	}
	table, found := strings.CutPrefix(step, "SCAN ")
	name, _, _ := strings.Cut(table, " ")
	switch {
	case regexp.MustCompile(`(\)\s+|RECURSIVE\s+)` + regexp.QuoteMeta(name) + `\b`).MatchString(text):
		return false // of rows that another part of the statement made
	case !found, strings.Contains(table, "VIRTUAL TABLE"), strings.HasPrefix(table, "CONSTANT ROW"), strings.HasPrefix(table, "("):
		return false
	case strings.Contains(text, "LIMIT") && !strings.Contains(text, "count(") && !strings.Contains(text, "sum("):
		return !strings.Contains(table, "INDEX") && !strings.Contains(table, "PRIMARY KEY") && !strings.Contains(text, "ORDER BY")
	}
	return true
}

// planner opens a database with the schema, without the package sqlite: that has
// no way to bind fewer values than a statement wants.
func planner(t *testing.T) *sql.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "photos.db")
	d, err := sqlite.Open(context.Background(), path, sqlite.Options{Migrations: Migrations(sqldb.SQLite), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

var placeholder = regexp.MustCompile(`\?(\d*)`)

// values are as many as a statement wants.
func values(text string) []any {
	n, most := 0, 0
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		i, err := strconv.Atoi(m[1])
		if n++; err == nil {
			most = max(most, i)
		} else {
			most = n
		}
	}
	return make([]any, most)
}

// plan explains a statement. Values do not matter for it.
func plan(t *testing.T, db *sql.DB, text string) (steps []string) {
	t.Helper()
	rows, err := db.Query("EXPLAIN QUERY PLAN "+text, values(text)...)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
