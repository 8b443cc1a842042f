package backup_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/backup"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

// insert adds a ware without bytes.
func insert(tx *sqldb.Tx) error {
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
		done <- s.db.Write(t.Context(), func(*sqldb.Tx) error { close(begun); <-release; return nil })
	}()
	end := sync.OnceFunc(func() { close(release) })
	defer end()
	<-begun
	go func() {
		_, err := backup.ToStream(t.Context(), o, io.Discard, temp)
		done <- err
	}()
	wait.Until(t, "the backup begins", func() bool {
		names, err := filepath.Glob(filepath.Join(temp, ".portico-work-*"))
		return err == nil && len(names) > 0
	})
	for end := time.Now().Add(time.Second); time.Now().Before(end) && err == nil; {
		err = other.Write(t.Context(), insert)
	}
	if err != nil { // after five seconds
		t.Error(err)
	}
	end()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Files that go amid a backup are in it, however many there are: as many as may be
// open, more than are opened at once, or more than may be.
func TestManyFilesGo(t *testing.T) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		files int
		limit uint64
	}{{4200, was.Cur}, {300, 200}} {
		s := newShop(t)
		uploads, temp := filepath.Join(s.dir, "uploads"), t.TempDir()
		for i := range c.files {
			write(t, filepath.Join(uploads, strconv.Itoa(i)), strconv.Itoa(i))
		}
		limit := was
		limit.Cur = c.limit
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		o := s.options()
		o.Progress = func(what string, _, _ int64) {
			if what == "writing" {
				if err := os.RemoveAll(uploads); err != nil {
					t.Error(err)
				}
			}
		}
		var b bytes.Buffer
		if _, err := backup.ToStream(t.Context(), o, &b, temp); err != nil {
			t.Errorf("%d files: %v", c.files, err)
			continue
		}
		empty(t, temp)
		if r, err := backup.Check(t.Context(), "", bytes.NewReader(b.Bytes()), known, nil); err != nil || r.Files != int64(c.files+2) {
			t.Errorf("%d files: %+v, %v", c.files, r, err)
		}
		if c.files > 1000 {
			continue // it takes long
		}
		dir := filepath.Join(t.TempDir(), "restored")
		if _, err := backup.Restore(t.Context(), backup.RestoreOptions{Known: known, Dir: dir}, "", &b); err != nil {
			t.Fatal(err)
		}
		for name, text := range tree(t, filepath.Join(dir, "uploads")) {
			if text != "-rw------- "+name {
				t.Errorf("%s is %q", name, text)
			}
		}
	}
}
