package postgres_test

import (
	"errors"
	"strings"
	"testing"

	testserver "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
)

// What Check says is one line for people, with what to do, and without passwords.
func TestCheck(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	if r, err := postgres.Check(t.Context(), url); err != nil || r.Version == "" || !r.Creates {
		t.Errorf("%+v, %v", r, err)
	}
	host := url[strings.Index(url, "?"):]
	for _, c := range []struct {
		name, url, text, remedy string
		away                    bool
	}{
		{"missing", "postgres://portico:very-secret@/nothing" + host, `database "nothing" does not exist`, `CREATE DATABASE "nothing" OWNER "portico"`, false},
		{"stranger", "postgres://stranger:very-secret@/portico" + host, `role "stranger" does not exist`, "Correct user and password", false},
		{"away", "postgres://portico:very-secret@127.0.0.1:1/portico", "the database server is away: 127.0.0.1:1: connection refused", "Start the server", true},
		{"two away", "postgres://portico:very-secret@127.0.0.1:1,127.0.0.1:2/portico", "the database server is away: 127.0.0.1:1: connection refused; 127.0.0.1:2: connection refused", "Start the server", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := postgres.Check(t.Context(), c.url)
			var fault *postgres.Fault
			if !errors.As(err, &fault) || !strings.HasSuffix(err.Error(), c.text) || !strings.Contains(fault.Remedy, c.remedy) {
				t.Errorf("%v\n%+v", err, fault)
			}
			if text := err.Error(); strings.Contains(text, "very-secret") || strings.ContainsAny(text, "\n\t`") {
				t.Errorf("it says %q", text)
			}
			if errors.Is(err, sqldb.ErrAway) != c.away {
				t.Errorf("away: %v", err)
			}
		})
	}
}
