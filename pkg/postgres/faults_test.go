package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	testserver "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqldb/sqldbtest"
)

const itemTable = `CREATE TABLE item (id bigint PRIMARY KEY, body text NOT NULL);`

func open(t *testing.T, url string, o postgres.Options) *postgres.DB {
	t.Helper()
	o.Schema, o.Log = "portico_test", zerolog.Nop()
	if o.Migrations == nil {
		o.Migrations = sqldbtest.Migrations(itemTable)
	}
	db, err := postgres.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func insert(id int64) func(*sqldb.Tx) error {
	return func(tx *sqldb.Tx) error {
		_, err := tx.Exec("INSERT INTO item (id, body) VALUES (?, '')", id)
		return err
	}
}

func has(db *postgres.DB, id int64) (bool, error) {
	var n int
	err := db.Read(context.Background(), func(q sqldb.Queryer) error {
		return q.QueryRow("SELECT count(*) FROM item WHERE id = ?", id).Scan(&n)
	})
	return n == 1, err
}

// load writes from several goroutines until stop is called, and then checks that
// all that was acknowledged is there.
func load(t *testing.T, db *postgres.DB) (acked *atomic.Int64, stop func()) {
	t.Helper()
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var ids []int64
	acked, end := new(atomic.Int64), make(chan struct{})
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				id := next.Add(1)
				switch err := db.Write(context.Background(), insert(id)); {
				case err == nil:
					acked.Add(1)
					mu.Lock()
					ids = append(ids, id)
					mu.Unlock()
				case !sqldb.Temporary(err):
					t.Errorf("not temporary: %v", err)
					return
				default:
					failed.Add(1)
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	halt := sync.OnceFunc(func() { close(end); wg.Wait() })
	t.Cleanup(halt)
	return acked, func() {
		halt()
		t.Logf("%d acknowledged, %d failed", len(ids), failed.Load())
		for _, id := range ids {
			if there, err := has(db, id); err != nil || !there {
				t.Fatalf("row %d was acknowledged and is not there (%v)", id, err)
			}
		}
	}
}

// more waits until more is acknowledged.
func more(t *testing.T, acked *atomic.Int64) {
	t.Helper()
	now := acked.Load()
	wait.Until(t, "more is stored", func() bool { return acked.Load() > now+100 })
}

// The server is killed under load and comes back: what was acknowledged is there,
// what failed says that it may be tried again, and nobody opens anything anew.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	server := testserver.Start(t)
	db := open(t, server.URL(), postgres.Options{})
	acked, stop := load(t, db)
	for range 3 {
		more(t, acked)
		server.Kill(t)
		wait.Until(t, "the failure is reported", func() bool { return errors.Is(db.Check(), sqldb.ErrAway) })
		if _, err := has(db, 1); !errors.Is(err, sqldb.ErrAway) {
			t.Errorf("a read without a server: %v", err)
		}
		server.Start(t)
	}
	more(t, acked)
	stop()
	wait.Works(t, "the database stores again", db.Check)
}

// A standby that has everything takes over under load.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	first := testserver.Start(t)
	second := first.Standby(t)
	db := open(t, first.URLWith(second), postgres.Options{})
	acked, stop := load(t, db)
	more(t, acked)
	first.Kill(t)
	second.Promote(t)
	more(t, acked)
	stop()
}

// Who does nothing while the server is started anew notices nothing.
func TestServerRestarted(t *testing.T) {
	t.Parallel()
	server := testserver.Start(t)
	db := open(t, server.URL(), postgres.Options{})
	for i := range int64(3) {
		if err := db.Write(t.Context(), insert(i)); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 { // several connections
			wg.Go(func() {
				if there, err := has(db, i); err != nil || !there {
					t.Errorf("row %d: %v, %v", i, there, err)
				}
			})
		}
		wg.Wait()
		server.Restart(t)
		if there, err := has(db, i); err != nil || !there {
			t.Errorf("row %d after a restart: %v, %v", i, there, err)
		}
	}
}

// More connections than the server lets us have are temporary errors.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	server := testserver.Start(t, "max_connections=8", "superuser_reserved_connections=3", "max_wal_senders=0")
	db := open(t, server.URL(), postgres.Options{ReadConns: 20, Wait: 5 * time.Second})
	if err := db.Write(t.Context(), insert(1)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var good, refused atomic.Int64
	gate := make(chan struct{})
	for range 20 {
		wg.Go(func() {
			err := db.Read(t.Context(), func(q sqldb.Queryer) error {
				var n int
				if err := q.QueryRow("SELECT 1").Scan(&n); err != nil {
					return err
				}
				good.Add(1)
				<-gate
				return nil
			})
			if err != nil {
				refused.Add(1)
				if !sqldb.Temporary(err) {
					t.Error(err)
				}
			}
		})
	}
	wait.Until(t, "all have been answered", func() bool { return good.Load()+refused.Load() == 20 })
	if good.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d got in, %d did not", good.Load(), refused.Load())
	}
	if err := db.Write(t.Context(), insert(2)); err != nil {
		t.Errorf("the writer has its connection: %v", err)
	}
	close(gate)
	wg.Wait()
	if there, err := has(db, 2); err != nil || !there {
		t.Errorf("afterwards: %v, %v", there, err)
	}
}

const (
	holderURL = "PORTICO_TEST_POSTGRES"
	holding   = "holding"
)

// TestMain is also a node that is stopped amid a transaction.
func TestMain(m *testing.M) {
	url := os.Getenv(holderURL)
	if url == "" {
		os.Exit(m.Run())
	}
	db, err := postgres.Open(context.Background(), url, postgres.Options{Schema: "portico_test", Migrations: sqldbtest.Migrations(itemTable), Log: zerolog.Nop()})
	if err == nil {
		err = db.Write(context.Background(), func(tx *sqldb.Tx) error {
			err := insert(1)(tx)
			fmt.Println(holding)
			bufio.NewScanner(os.Stdin).Scan() // it is stopped here
			return err
		})
	}
	fmt.Println("away", errors.Is(err, sqldb.ErrAway))
}

// A node that stops amid a transaction keeps others waiting for some seconds
// only, and is told that nothing of its work was stored.
func TestStoppedNode(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	db := open(t, url, postgres.Options{Wait: wait.Patience})
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderURL+"="+url)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != holding {
		t.Fatalf("the other node said %q", lines.Text())
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := db.Write(t.Context(), insert(1)); err != nil { // the row of the other is gone
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	t.Logf("the others waited %v", time.Since(start))
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), "away true") {
		t.Errorf("the other node said %q", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
