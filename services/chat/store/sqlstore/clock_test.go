package sqlstore_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

// TestTimesOnlyGrow: the times of a conversation are in the order of its messages,
// also after a clock that was ahead; other conversations do not know of it.
func TestTimesOnlyGrow(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir)
	one, two := direct(t, s, alice, bob), direct(t, s, bob, eve)
	say(t, s, alice, one, "1", "before")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().AddDate(12, 0, 0).UnixMilli()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "chat.db"), sqlite.Options{Log: zerolog.Nop(), Migrations: os.DirFS("migrations")})
	if err == nil {
		err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`UPDATE conversations SET last_at = ? WHERE id = ?`, ahead, int64(one))
			return err
		})
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s, events := open(t, dir)
	first, second, other := say(t, s, alice, one, "2", "after"), say(t, s, bob, one, "3", "and more"), say(t, s, bob, two, "1", "hello")
	if first.At != ahead || second.At != ahead || other.At >= ahead {
		t.Errorf("at %d, %d and %d; the clock was at %d", first.At, second.At, other.At, ahead)
	}
	for i, e := range *events {
		if i > 0 && e.Cursor <= (*events)[i-1].Cursor {
			t.Errorf("position %d after %d", e.Cursor, (*events)[i-1].Cursor)
		}
	}
}
