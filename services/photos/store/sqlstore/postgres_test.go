package sqlstore

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	testpostgres "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/storetest"
)

// openPostgres opens the store in a schema of a database.
func openPostgres(t testing.TB, url, schema string, now func() time.Time, trace func(string)) *DB {
	t.Helper()
	db, err := postgres.Open(context.WithoutCancel(t.Context()), url, postgres.Options{
		Schema: schema, Migrations: Migrations(sqldb.Postgres), Log: zerolog.Nop(), Trace: trace,
	})
	if err != nil {
		t.Fatal(err)
	}
	return On(db, now)
}

// TestPostgres runs the contract and then looks at how each statement of it would
// be carried out.
func TestPostgres(t *testing.T) {
	var mu sync.Mutex
	texts := map[string]bool{}
	trace := func(query string) {
		mu.Lock()
		defer mu.Unlock()
		texts[query] = true
	}
	// One of its own: so many schemas are dropped with their database.
	url := testpostgres.Database(t, "CONNECTION LIMIT 90")
	storetest.Run(t, func(t *testing.T, dir string, now func() time.Time) store.Store {
		h := fnv.New64a()
		_, _ = h.Write([]byte(dir))
		return openPostgres(t, url, postgres.SchemaName("photos", strconv.FormatUint(h.Sum64(), 36)), now, trace)
	})
	if err := openPostgres(t, url, "plans", nil, nil).Close(); err != nil {
		t.Fatal(err)
	}
	scans, n := testpostgres.Scans(t, url, "plans", slices.Collect(maps.Keys(texts)))
	if n < 150 {
		t.Errorf("only %d statements", n)
	}
	say := (&database{DB: engine(sqldb.Postgres)}).say
	for _, text := range testpostgres.Unseen(t, ".", say, slices.Collect(maps.Keys(texts))) {
		if !slices.ContainsFunc(mayMiss, func(p string) bool { return strings.HasPrefix(text, p) }) {
			t.Errorf("the contract does not run %s", text)
		}
	}
	for _, s := range scans {
		small := strings.HasPrefix(s.Index, "jobs_") || slices.Contains([]string{"jobs", "portico_schema"}, s.Relation)
		if !small && !slices.ContainsFunc(mayScan, func(p string) bool { return strings.HasPrefix(s.Statement, p) }) {
			t.Error(s)
		}
	}
}

// mayMiss are phrases, and statements of SQLite and of a move.
var mayMiss = []string{"dialect.go: ", "moved.go: ", "own_jobs.go: UPDATE jobs SET taken_by = '', taken_until = 0 WHERE taken_until > 0", "own_jobs.go: DELETE FROM turns"}

// engine is a database that only has a dialect.
func engine(d sqldb.Dialect) sqldb.DB { return dialectOnly{dialect: d} }

type dialectOnly struct {
	sqldb.DB
	dialect sqldb.Dialect
}

func (d dialectOnly) Dialect() sqldb.Dialect { return d.dialect }

// TestNodes: two nodes write at once. Ids grow in the order of the commits over
// both, counts are right, what one wrote the other reads, and bounds hold.
func TestNodes(t *testing.T) {
	url := testpostgres.Database(t)
	ahead := func() time.Time { return time.Now().Add(time.Hour) } // clocks differ
	nodes := []*DB{openPostgres(t, url, "photos", nil, nil), openPostgres(t, url, "photos", ahead, nil)}
	defer func() {
		for _, d := range nodes {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	ctx := t.Context()
	const author, each = 7, 40
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for n, d := range nodes {
		for worker := range 4 {
			wg.Go(func() {
				for i := range each {
					s, _, err := d.AddStatus(ctx, store.Draft{Status: store.Status{Author: author, Visibility: store.Public, Text: fmt.Sprint(n, worker, i), Tags: []string{"sea"}}})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if seen[s.ID] {
						t.Errorf("id %d twice", s.ID)
					}
					seen[s.ID] = true
					mu.Unlock()
					// What the other node reads now has this and all before it.
					list, err := nodes[1-n].Feed(ctx, store.Feed{Visibilities: []store.Visibility{store.Public}, Page: store.Page{Min: s.ID - 1, Limit: 1}})
					if err != nil || len(list) != 1 || list[0].ID != s.ID {
						t.Errorf("the other node reads %v, %v", list, err)
					}
				}
			})
		}
	}
	wg.Wait()
	for _, d := range nodes {
		p, err := d.Profile(ctx, author)
		if err != nil || p.Statuses != 2*4*each {
			t.Errorf("%d posts, %v", p.Statuses, err)
		}
	}
	// One more byte than the quota does not come in, whichever node is asked.
	var stored, refused int
	for i := range 10 {
		m := store.Media{Owner: author, Original: store.File{Hash: fmt.Sprint(i), Bytes: 10}}
		switch _, err := nodes[i%2].AddMedia(ctx, m, 50); {
		case err == nil:
			stored++
		default:
			refused++
		}
	}
	if stored != 5 || refused != 5 {
		t.Errorf("%d stored, %d refused", stored, refused)
	}
}

// TestJobsOnce: however many nodes take, a job is one's.
func TestJobsOnce(t *testing.T) {
	url := testpostgres.Database(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := map[int64]string{}
	const jobs = 60
	first := openPostgres(t, url, "photos", nil, nil)
	defer first.Close()
	for i := range int64(jobs) {
		if _, err := first.AddMedia(t.Context(), store.Media{Owner: i, Original: store.File{Hash: fmt.Sprint(i)}}, 0); err != nil {
			t.Fatal(err)
		}
	}
	second := openPostgres(t, url, "photos", nil, nil)
	defer second.Close()
	for i := range 8 {
		d, node := []*DB{first, second}[i%2], fmt.Sprint("node", i)
		wg.Go(func() {
			for {
				j, ok, next, err := d.TakeJob(t.Context(), store.Take{Kinds: store.JobKinds[:], Node: node, Now: time.Now(), Until: time.Now().Add(time.Minute)})
				if err != nil {
					t.Error(err)
					return
				}
				if !ok && (next.IsZero() || time.Until(next) > time.Second) {
					return
				}
				if !ok {
					continue // another was quicker
				}
				mu.Lock()
				if by := taken[j.ID]; by != "" {
					t.Errorf("%s has what %s has", node, by)
				}
				taken[j.ID] = node
				mu.Unlock()
				if err := d.RemoveJob(t.Context(), j.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(taken) != jobs {
		t.Errorf("%d jobs were taken", len(taken))
	}
}
