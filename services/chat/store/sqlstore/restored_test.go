package sqlstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/services/chat/store/sqlstore"
)

// A restore's mark makes a new epoch, once.
func TestRestoredMark(t *testing.T) {
	dir := t.TempDir()
	epoch := func() string {
		s, err := sqlstore.Open(t.Context(), dir, sqlstore.Options{Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return s.Epoch()
	}
	first := epoch()
	mark := filepath.Join(dir, sqlstore.RestoredMark)
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	second := epoch()
	if second == first {
		t.Error("the epoch is the same after a restore")
	}
	if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mark is still there: %v", err)
	}
	if third := epoch(); third != second {
		t.Error("and another one at the next start")
	}
}
