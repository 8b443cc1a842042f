package chat_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	accounts "github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/chat/store"
)

// A disk that fails before a message is stored, or before that is known: no ack,
// a temporary error, a service that says so, and the same cid once all is well.
func TestFailingDisk(t *testing.T) {
	var mode atomic.Int32 // 1: before the effect, 2: after it
	w := startFailing(t, nil, func(after bool) error {
		if m := mode.Load(); m == 1 && !after || m == 2 && after {
			return fmt.Errorf("%w: fsync: input/output error", store.ErrUnavailable)
		}
		return nil
	})
	a, b := w.join("alice"), w.join("bob")
	id := a.with("bob")
	a.say(id, "0", "x")
	s := a.connect()
	for i, m := range []int32{1, 2} {
		mode.Store(m)
		s.send(`{"id":%d,"send":{"conv":%q,"cid":"%d","text":"x"}}`, i, id, m)
		l := s.next("answer", func(l line) bool { return l.Ack != nil || l.Error != nil })
		if l.Error == nil || l.Error.Code != "unavailable" || l.Error.RetryAfterMS == 0 || strings.Contains(l.raw, "fsync") {
			t.Errorf("mode %d: %s", m, l.raw)
		}
		if status, body := b.do("GET", "/healthz", ""); status != 503 || !strings.Contains(body, "stored") {
			t.Errorf("mode %d: health %d %s", m, status, body)
		}
		mode.Store(0)
		if status, _ := b.do("GET", "/healthz", ""); status != 200 {
			t.Errorf("mode %d: health %d when it is over", m, status)
		}
		if got := a.say(id, fmt.Sprint(m), "x"); got.Seq != int64(i+2) || got.Dup != (m == 2) {
			t.Errorf("mode %d: again %+v", m, got)
		}
	}
	if got := b.texts(id); got != "x x x" {
		t.Errorf("stored: %q", got)
	}
}

// away is accounts whose database is.
type away struct {
	account.Store
	on *atomic.Bool
}

func (a away) Credentials(ctx context.Context, name string) (account.User, string, error) {
	if a.on.Load() {
		return account.User{}, "", fmt.Errorf("read: %w: connection refused", sqldb.ErrAway)
	}
	return a.Store.Credentials(ctx, name)
}

// While the database of the accounts is away, who signs in is told to try again.
func TestAccountsAway(t *testing.T) {
	var gone atomic.Bool
	p := accountsIn(func(ctx context.Context) (account.Store, error) {
		s, err := accounts.Open(ctx, filepath.Join(t.TempDir(), "accounts.db"), zerolog.Nop())
		return away{s, &gone}, err
	})
	defer p.Close()
	w := &world{t: t, accounts: p, dir: t.TempDir(), cfg: chat.Type{}.Default()}
	w.open()
	defer w.close()
	a := w.join("alice")
	gone.Store(true)
	body := `{"username":"alice","password":"correct horse battery"}`
	if status, answer := a.do("POST", "/v1/sessions", body); status != 503 || !strings.Contains(answer, `"unavailable"`) || strings.Contains(answer, "refused") {
		t.Errorf("%d %s", status, answer)
	}
}

// What nobody foresaw is said without its cause.
func TestInternalErrorsKeepTheirCause(t *testing.T) {
	w := startFailing(t, nil, func(bool) error { return errors.New("a secret of the house") })
	a := w.join("alice")
	id := a.with("alice")
	status, body := a.do("POST", "/v1/conversations/"+id+"/messages", `{"cid":"1","text":"x"}`)
	if status != 500 || !strings.Contains(body, `"internal"`) || strings.Contains(body, "secret") {
		t.Errorf("%d %s", status, body)
	}
}
