package sqlstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

// Data of the first schema is all there after the second.
func TestMigrateFromFirst(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "accounts.db")
	first, err := os.ReadFile("migrations/0001_accounts.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: fstest.MapFS{"0001_accounts.sql": {Data: first}}, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, q := range []string{
			`INSERT INTO user VALUES (10, 'ann', 'Ann', 'ann', 'me', 'admin', 'h', 0, NULL, 5), (11, 'gone', '', '', '', 'user', '', 0, 6, 5)`,
			`INSERT INTO session VALUES ('s_1', zeroblob(32), 10, 'chat.a', 'phone', '', 0, 5, 6)`,
			`INSERT INTO app VALUES (12, 'photos.b', 'client', zeroblob(32), 'App', '', '["app://x"]', 'read', 5)`,
			`INSERT INTO change VALUES (3, 'profile', 10, '', '', 5), (5, 'deleted', 11, '', '', 6), (9, 'session', 10, 's_0', 'chat.a', 7)`,
			`DELETE FROM change WHERE seq = 9`,
		} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`UPDATE user SET created_at = ?`, now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s, err := sqlstore.Open(ctx, path, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	same := func(what string, got, want any, err error) {
		t.Helper()
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Fatalf("%s: %v (-want +got):\n%s", what, err, d)
		}
	}
	at := time.UnixMilli(now).UTC()
	ann := account.User{ID: 10, Username: "ann", Name: "Ann", About: "me", Role: account.RoleAdmin, CreatedAt: at, LastSeen: account.Everyone, Receipts: true, Generation: 1}
	u, v, err := s.SessionByToken(ctx, account.Hash{})
	same("user", u, ann, err)
	same("session", v.ID, "s_1", err)
	us, err := s.UsersByID(ctx, []int64{11})
	same("tombstone", us, []account.User{{ID: 11, Username: "gone", Role: account.RoleUser, CreatedAt: at, Deleted: true}}, err)
	log, err := s.Changes(ctx, 0, 10)
	same("log", log, []account.Change{
		{Seq: 3, Kind: account.Profile, UserID: 10, At: time.UnixMilli(5).UTC()},
		{Seq: 5, Kind: account.Deleted, UserID: 11, At: time.UnixMilli(6).UTC()},
	}, err)
	last, err := s.LastChange(ctx)
	same("last position", last, int64(9), err)
	if err := s.SetRole(ctx, 10, account.RoleUser); err != nil {
		t.Fatal(err)
	}
	last, err = s.LastChange(ctx)
	same("next position", last, int64(10), err)
}

// IDs of blocks go on from the last one, also where that is gone.
func TestMigrateFromSecond(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "accounts.db")
	second := fstest.MapFS{}
	for _, name := range []string{"0001_accounts.sql", "0002_blocks_codes_followers.sql"} {
		text, err := os.ReadFile(filepath.Join("migrations", name))
		if err != nil {
			t.Fatal(err)
		}
		second[name] = &fstest.MapFile{Data: text}
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: second, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, q := range []string{
			`INSERT INTO user (id, username, name, folded, about, role, hash, created_at) VALUES (10, 'ann', '', '', '', 'user', '', 5), (11, 'bob', '', '', '', 'user', '', 5)`,
			`INSERT INTO block VALUES (7, 10, 11, 5)`, `DELETE FROM block`,
		} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.Open(ctx, path, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Block(ctx, account.Block{UserID: 10, OtherID: 11, At: time.Now()}, 10); err != nil {
		t.Fatal(err)
	}
	list, err := s.Blocks(ctx, 10, 0, 10)
	if err != nil || len(list) != 1 || list[0].ID != 8 {
		t.Fatalf("blocks %+v, %v", list, err)
	}
	if last, err := s.LastChange(ctx); err != nil || last != 1 {
		t.Errorf("last change %d, %v", last, err)
	}
}
