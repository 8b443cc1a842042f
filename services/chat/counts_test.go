package chat_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	natstest "github.com/porticod/portico/internal/testkit/nats"
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

// A user has so many connections over all nodes. While they do not hear each other
// each counts its own.
func TestConnectionsOverNodes(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	n := startNodes(t, pgtest.Database(t), natsWire(t, server.URL), natsWire(t, server.URL))
	for _, w := range n {
		w.cfg.Limits.Connections = 4
		w.chat.Update(w.cfg)
	}
	a, b := n[0].join("alice"), n[1].join("bob")
	there := a.on(n[1])
	polled := func(p *person) func() bool {
		return func() bool { status, _ := p.do("GET", "/v1/events", ""); return status == 200 }
	}
	full := func(p *person) func() bool {
		return func() bool { status, _ := p.do("GET", "/v1/events", ""); return status == 429 }
	}
	first, _ := a.connect(), a.connect()
	for range 2 {
		there.connect()
	}
	for _, p := range []*person{a, there} {
		wait.Until(t, "the limit holds over both", full(p))
		s := p.w.dial(nil)
		s.send(`{"id":1,"connect":{"token":%q}}`, p.token)
		if l := s.next("error", isErr); l.Error.Code != "rate_limited" {
			t.Errorf("the fifth: %s", l.raw)
		}
		if code := s.closed(); code != 1013 {
			t.Errorf("the fifth was closed with %d", code)
		}
	}
	b.connect()
	_ = first.conn.WriteClose(1000, nil)
	wait.Until(t, "a place is free at the other node", polled(there))
	there.connect()
	wait.Until(t, "and is taken", full(a))

	server.Stop()
	wait.Until(t, "without a bus each counts its own", polled(a))
	server.Run()
	wait.Until(t, "with the bus they count together again", full(a))
	n[1].close()
	wait.Until(t, "what a node had that ended is free", polled(a))
}

// Uploads on their way count on all nodes, too.
func TestUploadsOverNodes(t *testing.T) {
	t.Parallel()
	n := startNodes(t, pgtest.Database(t), localWires(2)...)
	a := n[0].join("alice")
	user, err := n[0].accounts.UserByName(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	var uploads sync.WaitGroup
	slow, end := io.Pipe()
	for range 8 {
		uploads.Go(func() {
			req, _ := http.NewRequestWithContext(t.Context(), "POST", n[0].http.URL+"/v1/blobs", io.MultiReader(strings.NewReader("x"), slow))
			req.Header.Set("Authorization", "Bearer "+a.token)
			res, err := n[0].http.Client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			if res.Body.Close(); res.StatusCode != 201 {
				t.Errorf("an upload below the limit: %s", res.Status)
			}
		})
	}
	wait.Until(t, "eight are on their way", func() bool { return n[1].chat.UploadsElsewhere(user.ID) == 8 })
	if status, body := a.on(n[1]).do("POST", "/v1/blobs", "y"); status != 429 || !strings.Contains(body, "rate_limited") {
		t.Errorf("one more at another node: %d %s", status, body)
	}
	_ = end.Close()
	uploads.Wait()
	wait.Until(t, "places are free", func() bool { status, _ := a.on(n[1]).do("POST", "/v1/blobs", "y"); return status == 201 })
}
