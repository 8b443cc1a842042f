package postgres_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/rs/zerolog"

	testserver "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/pkg/sqldb/sqldbtest"
)

// poolerURL is that of something that answers with an error of PgBouncer, or of a
// server behind it.
func poolerURL(t *testing.T, code, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			b := pgproto3.NewBackend(c, c)
			if _, err := b.ReceiveStartupMessage(); err == nil {
				b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: text})
				_ = b.Flush()
			}
			_ = c.Close()
		}
	}()
	return "postgres://portico:very-secret@" + l.Addr().String() + "/portico?sslmode=disable"
}

// A pooler is refused, at once and by name: one that does not know a setting, and one
// that was told to pass them over and hands out sessions by transaction.
func TestPooler(t *testing.T) {
	t.Parallel()
	for code, text := range map[string]string{
		"08P01": "unsupported startup parameter: lock_timeout",
		"42P05": `prepared statement "stmtcache_1" already exists`, "26000": `prepared statement "stmtcache_1" does not exist`,
	} {
		url := poolerURL(t, code, text)
		_, opened := postgres.Open(t.Context(), url, postgres.Options{Schema: "portico_test", Migrations: sqldbtest.Migrations(itemTable), Log: zerolog.Nop()})
		_, checked := postgres.Check(t.Context(), url)
		for _, err := range []error{opened, checked} {
			if err == nil || !strings.Contains(err.Error(), "PgBouncer") || strings.Contains(err.Error(), "very-secret") || sqldb.Temporary(err) {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

// A commit whose wait for the standby somebody ends is not acknowledged: the standby
// may not have it.
func TestWaitForStandbyEnded(t *testing.T) {
	t.Parallel()
	server := testserver.Start(t)
	db := open(t, server.URL(), postgres.Options{})
	server.SQL(t, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	server.SQL(t, "SELECT pg_reload_conf()")
	done := make(chan error, 1)
	go func() {
		for id := range int64(100_000) { // some may come before the server has read its settings
			if err := db.Write(context.Background(), insert(id)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	var err error
	for waits := true; waits; {
		select {
		case err = <-done:
			waits = false
		case <-time.After(20 * time.Millisecond):
			server.SQL(t, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
		}
	}
	if !errors.Is(err, sqldb.ErrAway) || !strings.Contains(err.Error(), "synchronous replication") {
		t.Errorf("all were acknowledged, or %v", err)
	}
	server.SQL(t, "ALTER SYSTEM RESET synchronous_standby_names")
	server.SQL(t, "SELECT pg_reload_conf()")
	if err := db.Write(t.Context(), insert(1_000_000)); err != nil {
		t.Error(err)
	}
}
