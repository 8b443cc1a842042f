package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rs/zerolog"

	server "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
)

// openClaimed opens a schema with one table.
func openClaimed(t *testing.T, url, schema string, claim *postgres.Claim) (*postgres.DB, error) {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, postgres.Options{
		Schema: schema, Migrations: fstest.MapFS{"0001_first.sql": {Data: []byte("CREATE TABLE x (y bigint PRIMARY KEY)")}}, Claim: claim, Log: zerolog.Nop(),
	})
	if err == nil {
		t.Cleanup(func() { _ = db.Close() })
	}
	return db, err
}

func add(t *testing.T, db *postgres.DB, n int) error {
	t.Helper()
	return db.Write(t.Context(), func(tx *sqldb.Tx) error { _, err := tx.Exec("INSERT INTO x VALUES (?)", n); return err })
}

// Who fills a schema has it alone until it is free.
func TestClaim(t *testing.T) {
	url := server.Database(t)
	mine, other := &postgres.Claim{ID: "mine", Text: "being filled"}, &postgres.Claim{ID: "other", Text: "being filled, too"}
	for range 2 {
		db, err := openClaimed(t, url, "portico_a", mine)
		if err != nil {
			t.Fatal(err)
		}
		_ = add(t, db, 1)
	}
	for _, claim := range []*postgres.Claim{nil, other} {
		if _, err := openClaimed(t, url, "portico_a", claim); !errors.Is(err, postgres.ErrClaimed) || !strings.Contains(err.Error(), "being filled") {
			t.Errorf("opened by somebody else: %v", err)
		}
	}
	if err := postgres.Disclaim(t.Context(), url, "portico_a", "other"); err != nil {
		t.Error(err)
	}
	if _, err := openClaimed(t, url, "portico_a", nil); !errors.Is(err, postgres.ErrClaimed) {
		t.Errorf("somebody else gave it free: %v", err)
	}
	for range 2 {
		if err := postgres.Disclaim(t.Context(), url, "portico_a", "mine"); err != nil {
			t.Error(err)
		}
	}
	db, err := openClaimed(t, url, "portico_a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := add(t, db, 2); err != nil {
		t.Error(err)
	}
	if _, err := openClaimed(t, url, "portico_a", mine); err == nil || !strings.Contains(err.Error(), "has data already") {
		t.Errorf("claimed while it is in use: %v", err)
	}
	if err := postgres.Drop(t.Context(), url, "portico_a", "mine"); err != nil {
		t.Error(err)
	}
	if err := add(t, db, 3); err != nil {
		t.Errorf("removed without a claim: %v", err)
	}
}

// What is moved away nobody can write to: not while it is held, and not afterwards,
// also who has it open.
func TestHoldAndMove(t *testing.T) {
	url := server.Database(t)
	mover, err := openClaimed(t, url, "portico_a", nil)
	if err != nil {
		t.Fatal(err)
	}
	node, err := openClaimed(t, url, "portico_a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := add(t, node, 1); err != nil {
		t.Fatal(err)
	}
	hold, err := mover.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- add(t, node, 2) }()
	if err := hold.Move(t.Context(), postgres.Claim{ID: "mine", Text: "it has moved"}, "portico_a_moved"); err != nil {
		t.Fatal(err)
	}
	if err := hold.Release(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("somebody wrote to what was moved")
	}
	if _, err := openClaimed(t, url, "portico_a", nil); !errors.Is(err, postgres.ErrClaimed) || !strings.Contains(err.Error(), "it has moved") {
		t.Errorf("opened afterwards: %v", err)
	}
	for id, want := range map[string]string{"mine": "portico_a_moved", "other": ""} {
		if to, err := postgres.Moved(t.Context(), url, "portico_a", id); to != want || err != nil {
			t.Errorf("%s moved to %q, %v, not %q", id, to, err, want)
		}
	}
	aside, err := openClaimed(t, url, "portico_a_moved", nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := aside.Read(t.Context(), func(q sqldb.Queryer) error { return q.QueryRow("SELECT count(*) FROM x").Scan(&n) }); n != 1 || err != nil {
		t.Errorf("%d rows were moved, %v", n, err)
	}
	// The empty place may be filled again.
	if _, err := openClaimed(t, url, "portico_a", &postgres.Claim{ID: "back", Text: "again"}); err != nil {
		t.Error(err)
	}
}

// A hold whose connection broke moves nothing.
func TestHoldLost(t *testing.T) {
	srv := server.Start(t)
	db, err := openClaimed(t, srv.URL(), "portico_a", nil)
	if err != nil {
		t.Fatal(err)
	}
	hold, err := db.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	srv.Restart(t)
	if err := hold.Move(t.Context(), postgres.Claim{ID: "mine", Text: "it has moved"}, "portico_a_moved"); !errors.Is(err, sqldb.ErrAway) {
		t.Errorf("moved without the hold: %v", err)
	}
	_ = hold.Release() // it is lost
	if err := add(t, db, 1); err != nil {
		t.Error(err)
	}
}
