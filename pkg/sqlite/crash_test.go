package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqlite"
)

const childEnv = "PORTICO_SQLITE_CHILD"

// TestMain lets the test binary be its own child: a process that can be killed,
// or whose files cannot grow.
func TestMain(m *testing.M) {
	role, path, _ := strings.Cut(os.Getenv(childEnv), ":")
	switch role {
	case "":
		os.Exit(m.Run())
	case "write":
		fail(writeForever(path))
	case "limit":
		fail(fillToTheLimit(path))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role+":"+path)
	return cmd
}

// writeForever inserts rows from many goroutines and prints the id of each that
// was acknowledged.
func writeForever(path string) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: schema(rowTable), Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	first := 0
	err = db.Read(ctx, func(q sqldb.Queryer) error {
		return q.QueryRow("SELECT coalesce(max(id), 0) + 1 FROM row").Scan(&first)
	})
	if err != nil {
		return err
	}
	for i := range 16 {
		go func() {
			for id := first + i; ; id += 16 {
				if err := db.Write(ctx, insert(id, strings.Repeat("x", id%5000))); err != nil {
					fail(err)
				}
				fmt.Println(id) // one system call: all of it or nothing
			}
		}()
	}
	select {}
}

func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	acked := 0
	for range 4 {
		cmd := child(t, "write", path)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var ids []int
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			id, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(err)
			}
			if ids = append(ids, id); len(ids) == 400 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		if len(ids) < 400 {
			t.Fatalf("the child ended early: %s", stderr.String())
		}
		acked += len(ids)
		db := open(t, path, schema(rowTable))
		for _, id := range ids {
			var length int
			err := db.Read(t.Context(), func(q sqldb.Queryer) error {
				return q.QueryRow("SELECT length(body) FROM row WHERE id = ?", id).Scan(&length)
			})
			if err != nil || length != id%5000 {
				t.Fatalf("row %d was acknowledged: length %d, error %v", id, length, err)
			}
		}
		if n := count(t, db); n < acked || n > acked+16*4 {
			t.Fatalf("%d rows, %d acknowledged", n, acked)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	cmd := child(t, "write", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{Log: zerolog.Nop()})
	want := fmt.Sprintf("%s.lock is in use by process %d", path, cmd.Process.Pid)
	if !errors.Is(err, durable.ErrLeased) || !strings.Contains(err.Error(), want) {
		t.Fatalf("error %v, want %q", err, want)
	}
}

// fill writes until the disk takes no more, and checks that what was
// acknowledged is there, and no more, and that it goes on when there is room.
func fill(path string, want error, makeRoom func() error) error {
	ctx := context.Background()
	db, err := reopen(path)
	if err != nil {
		return err
	}
	acked, failed := insertUntilItFails(db)
	for _, err := range failed {
		if !errors.Is(err, want) {
			return fmt.Errorf("a full disk: %w, want %w", err, want)
		}
	}
	if db.Check() == nil {
		return errors.New("check does not tell")
	}
	if err := hasRows(ctx, db, acked); err != nil {
		return err
	}
	if errors.Is(want, sqldb.ErrFull) { // without room it can be closed, opened and read
		if err := db.Close(); err != nil {
			return fmt.Errorf("close without room: %w", err)
		}
		if db, err = reopen(path); err != nil {
			return err
		}
		if err := hasRows(ctx, db, acked); err != nil {
			return err
		}
	}
	if err := makeRoom(); err != nil {
		return err
	}
	if err := errors.Join(db.Write(ctx, insert(1_000_000, "x")), db.Check(), db.Close()); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	if db, err = reopen(path); err != nil {
		return err
	}
	return errors.Join(hasRows(ctx, db, acked+1), db.Close())
}

func reopen(path string) (*sqlite.DB, error) {
	return sqlite.Open(context.Background(), path, sqlite.Options{Migrations: schema(rowTable), Log: zerolog.Nop()})
}

// insertUntilItFails returns how many rows were acknowledged.
func insertUntilItFails(db *sqlite.DB) (acked int, failed []error) {
	body := make([]byte, 20_000)
	rand.Read(body)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards acked and failed
	for i := range 8 {
		wg.Go(func() {
			for id := i; ; id += 8 {
				err := db.Write(context.Background(), func(tx *sqldb.Tx) error {
					_, err := tx.Exec("INSERT INTO row (id, body) VALUES (?, hex(?))", id, body)
					return err
				})
				mu.Lock()
				if err != nil {
					failed = append(failed, err)
					mu.Unlock()
					return
				}
				acked++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return acked, failed
}

func hasRows(ctx context.Context, db *sqlite.DB, want int) error {
	return db.Read(ctx, func(q sqldb.Queryer) error {
		var n int
		var ok string
		if err := errors.Join(q.QueryRow("SELECT count(*) FROM row").Scan(&n), q.QueryRow("PRAGMA integrity_check").Scan(&ok)); err != nil {
			return err
		}
		if n != want || ok != "ok" {
			return fmt.Errorf("%d rows, %d acknowledged; integrity: %s", n, want, ok)
		}
		return nil
	})
}

// fillToTheLimit runs in a child, because the limit holds for a whole process.
// A write beyond it fails as on a broken disk.
func fillToTheLimit(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	limit := old
	limit.Cur = 1 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	return fill(path, sqldb.ErrIO, func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old) })
}

func TestBrokenDisk(t *testing.T) {
	out, err := child(t, "limit", filepath.Join(t.TempDir(), "x.db")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestFullDisk fills a real file system where the test may mount one, and else
// tells SQLite that it may not grow, which gives the same error.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if !mountSmall(t, dir) {
		path := filepath.Join(dir, "x.db")
		db := open(t, path, schema(rowTable))
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			if _, err := tx.Exec("PRAGMA max_page_count = 2"); err != nil {
				return err
			}
			return insert(1, strings.Repeat("x", 100_000))(tx)
		})
		if !errors.Is(err, sqldb.ErrFull) || count(t, db) != 0 {
			t.Fatalf("error %v", err)
		}
		return
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 512<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fill(filepath.Join(dir, "x.db"), sqldb.ErrFull, func() error { return os.Remove(ballast) }); err != nil {
		t.Fatal(err)
	}
}
