package acme

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestLocksOfTheFuture: a process that was killed while its clock was ahead holds
// up no certificate.
func TestLocksOfTheFuture(t *testing.T) {
	dir := t.TempDir()
	locks := filepath.Join(dir, "locks")
	if err := os.MkdirAll(locks, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, at := range map[string]time.Time{"ahead": now.AddDate(1, 0, 0), "held": now} {
		file := filepath.Join(locks, name+".lock")
		meta := `{"created":"` + at.Format(time.RFC3339) + `","updated":"` + at.Format(time.RFC3339) + `"}`
		if err := os.WriteFile(file, []byte(meta), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	m := NewManager(dir, zerolog.Nop())
	defer m.Close()
	a, err := m.Account(Settings{OnDemand: []string{"*.example.org"}, HTTP: "127.0.0.1:80"})
	if err != nil {
		t.Fatal(err)
	}
	m.Use([]*Account{a})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := m.store.Lock(ctx, "ahead"); err != nil {
		t.Errorf("take a lock of the future: %v", err)
	} else if err := m.store.Unlock(ctx, "ahead"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(locks, "held.lock")); err != nil {
		t.Errorf("the lock of somebody else: %v", err)
	}
}
