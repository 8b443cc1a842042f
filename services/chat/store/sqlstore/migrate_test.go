package sqlstore_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
	"github.com/porticod/portico/services/chat/store"
)

// A group that the second release renamed is as it was, and whoever may have
// missed that reads anew.
func TestMigrationFromTheSecondRelease(t *testing.T) {
	dir, old := t.TempDir(), fstest.MapFS{}
	for _, name := range []string{"0001_init.sql", "0002_groups.sql"} {
		b, err := os.ReadFile("migrations/" + name)
		if err != nil {
			t.Fatal(err)
		}
		old[name] = &fstest.MapFile{Data: b}
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "chat.db"), sqlite.Options{Log: zerolog.Nop(), Migrations: old})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for _, s := range []string{
			`INSERT INTO log (id, epoch, cursor) VALUES (1, 'EPOCH', 4)`,
			`INSERT INTO people VALUES (1, 'alice'), (2, 'bob')`,
			`INSERT INTO conversations (id, kind, title, created_by, created_at, last_seq, last_at, last_cursor, touched, count, changed)
				VALUES (1, 'group', 'Renamed', 1, 1000, 2, 3000, 3, 4, 1, 4)`,
			`INSERT INTO members (conv, person, role, shown, left_seq) VALUES (1, 1, 'owner', 1, NULL), (1, 2, 'member', 1, 2)`,
			`INSERT INTO events (cursor, conv, seq, type, sender, at, cid, hash, text) VALUES (2, 1, 1, 1, 1, 2000, 'm1', x'00', 'words')`,
			`INSERT INTO events (cursor, conv, seq, type, sender, at, subject, detail) VALUES (3, 1, 2, 5, 2, 3000, 2, 'left')`,
		} {
			if _, err := tx.Exec(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s, _ := open(t, dir)
	if s.Epoch() == "EPOCH" || s.Epoch() == "" || s.Cursor() != 4 {
		t.Errorf("%s %d", s.Epoch(), s.Cursor())
	}
	for _, p := range []store.Person{alice, bob} {
		page, err := s.History(t.Context(), p.ID, 1, store.Range{Limit: 10})
		if err != nil || len(page.Messages) != 1 || len(page.Events) != 1 || page.Events[0].Action != store.Left {
			t.Errorf("%s: %v, %+v", p.Username, err, page)
		}
		if sum, err := s.Conversation(t.Context(), p.ID, 1); err != nil || sum.Title != "Renamed" {
			t.Errorf("%s: %v, %+v", p.Username, err, sum)
		}
	}
}

const oldHash = "92c93cd01e184f16853f5a4206bf161f"

// A chat that the first release wrote goes on where it was.
func TestMigrationFromTheFirstRelease(t *testing.T) {
	dir := t.TempDir()
	first, err := os.ReadFile("migrations/0001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "chat.db"), sqlite.Options{
		Log: zerolog.Nop(), Migrations: fstest.MapFS{"0001_init.sql": {Data: first}},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for _, s := range []string{
			`INSERT INTO log VALUES (1, 'EPOCH', 6)`,
			`INSERT INTO people VALUES (1, 'alice'), (2, 'bob')`,
			`INSERT INTO conversations VALUES (1, 'direct', '', '1:2', 1, 1000, 2, 3000, 4, 5), (2, 'direct', '', '1:1', 1, 1000, 0, 1000, 6, 6)`,
			`INSERT INTO members (conv, person, recv, read, mark_cursor, shown) VALUES (1, 1, 2, 2, 0, 1), (1, 2, 2, 1, 5, 2), (2, 1, 0, 0, 0, 6)`,
			// The hash of "old words" as the first release stored it.
			`INSERT INTO events (cursor, conv, seq, type, sender, at, cid, hash, text) VALUES
				(3, 1, 1, 1, 1, 2000, 'm1', x'` + oldHash + `', 'old words'), (4, 1, 2, 1, 2, 3000, 'm1', x'00', 'more')`,
		} {
			if _, err := tx.Exec(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}

	s, _ := open(t, dir)
	if s.Epoch() != "EPOCH" || s.Cursor() != 6 || len(s.Key()) != 32 {
		t.Errorf("%s %d %d", s.Epoch(), s.Cursor(), len(s.Key()))
	}
	if again := say(t, s, alice, 1, "m1", "old words"); !again.Dup || again.Seq != 1 {
		t.Errorf("the same cid: %+v", again)
	}
	if next := say(t, s, alice, 1, "m2", "new words"); next.Seq != 3 || next.Dup {
		t.Errorf("the next: %+v", next)
	}
	found, err := s.Search(t.Context(), bob.ID, "words", 0, 10)
	if err != nil || len(found) != 2 {
		t.Errorf("%v, %+v", err, found)
	}
	sum, err := s.Conversation(t.Context(), bob.ID, 1)
	if err != nil || sum.MembersCount != 2 || sum.Unread != 1 || sum.Read != 1 {
		t.Errorf("%v, %+v", err, sum)
	}
	plan, err := s.Plan(t.Context(), alice.ID, 4, s.Cursor(), 100)
	if err != nil {
		t.Fatal(err)
	}
	events, err := plan.Load(t.Context(), 100)
	if err != nil || len(events) != 3 || events[0].Type != store.Mark || events[0].Read != 1 || events[2].Text != "new words" {
		t.Errorf("%v, %+v", err, events)
	}
	if _, err := s.Edit(t.Context(), alice, 1, 1, "edited", nil); err != nil {
		t.Error(err)
	}
}
