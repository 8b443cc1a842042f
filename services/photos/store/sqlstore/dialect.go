package sqlstore

import (
	"context"
	"regexp"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

// Statements are written once, in SQLite's words as far as both engines have
// them: columns of ON CONFLICT are qualified, sums are cast, subqueries of FROM
// have a name, and each CROSS JOIN, which in SQLite keeps the order of tables, has
// an ON. The rest are these phrases, which PostgreSQL has otherwise. Lists are
// JSON: of ids, or of texts, which are cast. What begins with p is a part of each
// source of a feed: for PostgreSQL it has to be lateral.
var phrases = []struct {
	sqlite   *regexp.Regexp
	postgres string
}{
	{regexp.MustCompile(`NOT IN \(SELECT value FROM json_each\((\?\d*)\)\)`), `<> ALL (` + idArray + `)`},
	{regexp.MustCompile(`IN \(SELECT value FROM json_each\((\?\d*)\)\)`), `= ANY (` + idArray + `)`},
	{
		regexp.MustCompile(`IN \(SELECT CAST\(value AS TEXT\) FROM json_each\((\?\d*)\)\)`),
		`= ANY (ARRAY(SELECT jsonb_array_elements_text(CAST(${1} AS jsonb))))`,
	},
	{
		regexp.MustCompile(`SELECT CAST\(value AS TEXT\) AS (\w+) FROM json_each\((\?\d*)\)`),
		`SELECT jsonb_array_elements_text(CAST(${2} AS jsonb)) AS ${1}`,
	},
	{
		regexp.MustCompile(`FROM json_each\((\?\d*)\)`),
		`FROM (SELECT value, n - 1 AS key FROM unnest(` + idArray + `) WITH ORDINALITY AS e (value, n))`,
	},
	{regexp.MustCompile(`CROSS JOIN statuses p ON p\.id IN \(`), `CROSS JOIN LATERAL (`},
	{regexp.MustCompile(`LIMIT \?4\) WHERE`), `LIMIT ?4) p WHERE`},
	{regexp.MustCompile(`WHERE s\.id IN \(SELECT p\.id`), `WHERE s.id = ANY (ARRAY(SELECT p.id`},
	{regexp.MustCompile(`LIMIT \?4\) ORDER BY s\.id`), `LIMIT ?4)) ORDER BY s.id`},
	{regexp.MustCompile(`CROSS JOIN (\w+ \w+ ON)`), `JOIN ${1}`},
	{regexp.MustCompile(`\binstr\(`), `strpos(`},
	{regexp.MustCompile(`\bgroup_concat\(`), `string_agg(`},
	{regexp.MustCompile(`\bwords MATCH (\?\d*)`), `text @@ CAST(${1} AS tsquery)`},
	// PostgreSQL looks at a thread level by level, and stops when it has enough.
	{regexp.MustCompile(`(?s)ORDER BY 3, 1 LIMIT (\?\d*)\)(.*)$`), `)${2} LIMIT ${1}`},
}

// idArray is a JSON list of numbers as an array.
const idArray = `CAST(translate(${1}, '[]', '{}') AS bigint[])`

// A database says statements as its engine understands them.
type database struct {
	sqldb.DB
	now func() time.Time

	// Used by functions of Write only, which run one at a time.
	turn   int64 // of the transaction that lastID is known for
	lastID int64
	forgot int64 // lastID when old events were forgotten

	onEvents func([]store.Event) // set before the store is used

	mu   sync.Mutex
	said map[string]string // guarded by mu; there are few texts
}

// say returns a statement in the words of the engine.
func (d *database) say(text string) string {
	if d.Dialect() != sqldb.Postgres {
		return text
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.said[text]
	if !ok {
		s = text
		for _, p := range phrases {
			s = p.sqlite.ReplaceAllString(s, p.postgres)
		}
		if d.said == nil {
			d.said = map[string]string{}
		}
		d.said[text] = s
	}
	return s
}

// Read is that of sqldb.DB.
func (d *database) Read(ctx context.Context, fn func(q sqldb.Queryer) error) error {
	return d.DB.Read(ctx, func(q sqldb.Queryer) error { return fn(view{q, d}) })
}

// Write is that of sqldb.DB.
func (d *database) Write(ctx context.Context, fn func(tx *tx) error) error {
	return d.DB.Write(ctx, func(t *sqldb.Tx) error {
		own := &tx{view: view{t, d}, Tx: t}
		if err := fn(own); err != nil {
			return err
		}
		if err := own.tell(); err != nil {
			return err
		}
		return own.failed
	})
}

// A view is a sqldb.Queryer for statements in SQLite's words.
type view struct {
	sqldb.Queryer
	db *database
}

func (v view) Query(text string, args ...any) (sqldb.Rows, error) {
	return v.Queryer.Query(v.db.say(text), args...)
}

func (v view) QueryRow(text string, args ...any) *sqldb.Row {
	return v.Queryer.QueryRow(v.db.say(text), args...)
}

// A tx is a sqldb.Tx for statements in SQLite's words.
type tx struct {
	view
	*sqldb.Tx
	events []store.Event // of the request
	failed error         // of an id that could not be given; the request fails
}

func (t *tx) Query(text string, args ...any) (sqldb.Rows, error) { return t.view.Query(text, args...) }

func (t *tx) QueryRow(text string, args ...any) *sqldb.Row { return t.view.QueryRow(text, args...) }

func (t *tx) Exec(text string, args ...any) (sqldb.Result, error) {
	return t.Tx.Exec(t.db.say(text), args...)
}

// Dialect is that of the database.
func (t *tx) Dialect() sqldb.Dialect { return t.db.Dialect() }

// nextID is (unix ms << 16) | counter, above every id before it, whichever node
// gave that one and also where the clock went back. Ids grow in the order of the
// commits. 0: it fails, and the request with it.
func (t *tx) nextID() int64 { return t.nextIDs(1) }

// nextIDs gives n ids, one after another, and returns the first. The last one
// stands in the database; what is in memory holds for a transaction.
func (t *tx) nextIDs(n int) (first int64) {
	d := t.db
	if d.turn != t.Turn() {
		if err := t.QueryRow(`SELECT last FROM ids WHERE one = 1`).Scan(&d.lastID); err != nil {
			t.failed = err
			return 0
		}
		d.turn = t.Turn()
	}
	first = max(d.lastID+1, d.now().UnixMilli()<<16)
	d.lastID = first + int64(n) - 1
	t.BeforeCommit(func(last *sqldb.Tx) error {
		_, err := last.Exec(`UPDATE ids SET last = ? WHERE one = 1`, d.lastID)
		return err
	})
	return first
}
