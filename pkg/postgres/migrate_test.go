package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	testserver "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqldb/sqldbtest"
)

// An older program goes on beside a newer one, and starts again, as long as the
// newer one's migrations say that it may.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	const (
		expand   = "-- oldest: 1\nALTER TABLE item ADD COLUMN extra text NOT NULL DEFAULT 'none';"
		contract = "-- oldest: 2\nALTER TABLE item DROP COLUMN body;"
	)
	program := func(n int) postgres.Options {
		return postgres.Options{Migrations: sqldbtest.Migrations([]string{itemTable, expand, contract}[:n]...)}
	}
	older := open(t, url, program(1))
	acked, stop := load(t, older)
	more(t, acked)
	newer := open(t, url, program(2))
	more(t, acked)
	if err := newer.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec("INSERT INTO item (id, body, extra) VALUES (-1, '', 'some')")
		return err
	}); err != nil {
		t.Error(err)
	}
	if there, err := has(open(t, url, program(1)), -1); err != nil || !there {
		t.Errorf("the older one started anew: %v, %v", there, err)
	}
	stop()

	open(t, url, program(3))
	_, err := postgres.Open(t.Context(), url, postgres.Options{Schema: "portico_test", Migrations: program(1).Migrations})
	if !errors.Is(err, sqldb.ErrNewer) {
		t.Fatalf("a program that does not know what it has to: %v", err)
	}
	for _, part := range []string{"portico_test", "schema is number 3", "from number 2 on", "up to 1", "run the newer program"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
	open(t, url, program(2))
}

// Nodes that start at the same time migrate once.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	ms := sqldbtest.Migrations(itemTable, "INSERT INTO item VALUES (1, 'once');", "UPDATE item SET body = body || '!';")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			db, err := postgres.Open(t.Context(), url, postgres.Options{Schema: "portico_test", Migrations: ms})
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			var body string
			err = db.Read(t.Context(), func(q sqldb.Queryer) error { return q.QueryRow("SELECT body FROM item").Scan(&body) })
			if err != nil || body != "once!" {
				t.Errorf("%q, %v", body, err)
			}
		})
	}
	wg.Wait()
}

// What is wrong with the server's side is said at once, without secrets.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	for name, c := range map[string]struct{ url, say string }{
		"no such database": {strings.Replace(url, "/test", "/nonsense", 1), "does not exist"},
		"no such user":     {strings.Replace(url, "portico@", "nobody:geheim@", 1), "does not exist"},
		"encoding":         {testserver.Database(t, "ENCODING 'SQL_ASCII' TEMPLATE template0"), "ENCODING 'UTF8'"},
		"no URL":           {"postgres://portico:geheim@[", "open database"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := postgres.Open(t.Context(), c.url, postgres.Options{Schema: "portico_test"})
			if err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "geheim") {
				t.Errorf("%v", err)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// Who waits for the writer of another node sees what that one wrote, whatever
// isolation the server has by default.
func TestOneWriter(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"read%20committed", "serializable"} {
		url := testserver.Database(t) + "&default_transaction_isolation=" + isolation
		a, b := open(t, url, postgres.Options{}), open(t, url, postgres.Options{})
		for _, db := range []*postgres.DB{a, b} { // which connects
			if err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.Exec("INSERT INTO item VALUES (0, '') ON CONFLICT DO NOTHING")
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		began, done := make(chan struct{}), make(chan error, 1)
		go func() {
			done <- a.Write(t.Context(), func(tx *sqldb.Tx) error {
				err := addOne(tx)
				close(began)
				for end, n := time.Now().Add(10*time.Second), 0; err == nil && n == 0 && time.Now().Before(end); {
					err = tx.QueryRow(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
						AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&n)
				}
				return err
			})
		}()
		<-began
		if err := errors.Join(b.Write(t.Context(), addOne), <-done); err != nil {
			t.Errorf("%s: %v", isolation, err)
		}
		var body string
		err := a.Read(t.Context(), func(q sqldb.Queryer) error { return q.QueryRow("SELECT body FROM item").Scan(&body) })
		if err != nil || body != "2" {
			t.Errorf("%s: counted to %s, want 2 (%v)", isolation, body, err)
		}
	}
}

func addOne(tx *sqldb.Tx) error {
	var n int
	if err := tx.QueryRow("SELECT coalesce(nullif(body, ''), '0')::bigint FROM item WHERE id = 0").Scan(&n); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE item SET body = ? WHERE id = 0", fmt.Sprint(n+1))
	return err
}

func TestSchemaName(t *testing.T) {
	long := strings.Repeat("x", 63)
	names := map[string]bool{}
	for _, parts := range [][]string{{"accounts"}, {"chat", "whatsapp"}, {"photos", long}, {"photos", long[1:]}, {"chat", long}} {
		name := postgres.SchemaName(parts...)
		if len(name) > 63 || !strings.HasPrefix(name, "portico_"+parts[0]) || names[name] {
			t.Errorf("%v: %s", parts, name)
		}
		names[name] = true
	}
}
