package backup_test

import (
	"io"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/backup"
	"github.com/porticod/portico/pkg/sqlite"
)

// insert adds a ware without bytes.
func insert(tx *sqlite.Tx) error {
	_, err := tx.Exec("INSERT INTO wares (hash) VALUES ('')")
	return err
}

// A backup that waits for a long transaction of one database lets the others
// work: they are not held until it is there.
func TestLongTransaction(t *testing.T) {
	s := newShop(t)
	other, err := sqlite.Open(t.Context(), filepath.Join(s.dir, "accounts/accounts.db"), sqlite.Options{
		Migrations: fstest.MapFS{"0001_first.sql": {Data: []byte(wares)}}, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	o, temp := s.options(), t.TempDir()
	o.Known.Folder = func(dir string) backup.Folder {
		if dir == "accounts" {
			return backup.Folder{Databases: []backup.Database{{Path: "accounts.db", Schema: 1}}}
		}
		return known.Folder(dir)
	}
	begun, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	go func() {
		done <- s.db.Write(t.Context(), func(*sqlite.Tx) error { close(begun); <-release; return nil })
	}()
	<-begun
	go func() {
		_, err := backup.ToStream(t.Context(), o, io.Discard, temp)
		done <- err
	}()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if names, _ := filepath.Glob(filepath.Join(temp, ".portico-work-*")); len(names) > 0 {
			break
		}
	}
	for end := time.Now().Add(time.Second); time.Now().Before(end) && err == nil; {
		err = other.Write(t.Context(), insert)
	}
	if err != nil { // after five seconds
		t.Error(err)
	}
	close(release)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
