package chat_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	pgtest "github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/wait"
)

// What somebody did on one node counts on the others.
func TestLimitsOverNodes(t *testing.T) {
	n := startNodes(t, pgtest.Database(t), localWires(2)...)
	for _, w := range n {
		w.cfg.Limits.Calls, w.cfg.Limits.Sends, w.cfg.Limits.Burst = 1, 1, 5 // ten calls at once
		w.cfg.Limits.FailedLogins, w.cfg.Limits.SignUps = 2, 2
		w.chat.Update(w.cfg)
	}
	a, b := n[0].join("alice"), n[0].join("bob")
	id := a.with("bob")
	user, err := n[0].accounts.UserByName(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(w *world, path, body string) int {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.RemoteAddr = "192.0.2.1:1"
		rec := httptest.NewRecorder()
		w.chat.ServeHTTP(rec, r)
		return rec.Code
	}
	const wrong = `{"username":"alice","password":"wrong password"}`
	got := []int{
		ask(n[0], "/v1/sessions", wrong), ask(n[0], "/v1/sessions", wrong),
		ask(n[0], "/v1/accounts", `{"username":"eve","password":"long enough"}`), ask(n[0], "/v1/accounts", `{"username":"eva","password":"long enough"}`),
	}
	for range 2 {
		a.call("GET", "/v1/export", "", 200, nil)
	}
	s := a.connect()
	for i := range 5 {
		a.say(id, fmt.Sprint(i), "x")
	}
	for i := range 5 { // calls, the last that the other node is told of
		s.send(`{"id":%d,"history":{"conv":%q}}`, i+1, id)
	}
	wait.Until(t, "the other node has counted", func() bool {
		sends, calls := n[1].chat.Left(user.ID)
		return sends < 4 && calls < 6
	})
	got = append(got, ask(n[1], "/v1/sessions", wrong), ask(n[1], "/v1/accounts", `{"username":"evi","password":"long enough"}`))
	if fmt.Sprint(got) != "[401 401 201 201 429 429]" {
		t.Errorf("sign-ins and sign-ups: %v", got)
	}
	if status, _ := b.on(n[1]).do("GET", "/v1/me", ""); status != 200 {
		t.Errorf("what one does counts for another: %d", status)
	}
	if status, body := a.on(n[1]).do("GET", "/v1/export", ""); status != 429 || !strings.Contains(body, "one export") {
		t.Errorf("an export on another node: %d %s", status, body)
	}
}
