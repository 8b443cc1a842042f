package program

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What ended processes left goes, and nothing else.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{ownPrefix + "lives", ownPrefix + "died", "other"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := lock(filepath.Join(dir, ownPrefix+"lives"))
	if err != nil {
		t.Fatal(err)
	}
	sweep(dir)
	for name, want := range map[string]bool{"lives": true, "died": false} {
		if _, err := os.Stat(filepath.Join(dir, ownPrefix+name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	unlock()
	sweep(dir)
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestOneAtATime(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := lockSoon(soon, dir); err == nil {
		t.Fatal("two have the lock")
	}
	next := make(chan error)
	go func() {
		unlock, err := lockSoon(context.Background(), dir)
		if err == nil {
			unlock()
		}
		next <- err
	}()
	unlock()
	select {
	case err = <-next:
	case <-time.After(time.Minute):
		t.Fatal("the lock is not free")
	}
	if err != nil {
		t.Error(err)
	}
}

func TestShipped(t *testing.T) {
	path := Shipped(t)
	if fi, err := os.Stat(path); err != nil || fi.Mode()&0o111 == 0 || filepath.Base(path) != "portico" {
		t.Errorf("%s: %v, %v", path, fi, err)
	}
	if again := Shipped(t); again != path {
		t.Errorf("%s, then %s", path, again)
	}
}
