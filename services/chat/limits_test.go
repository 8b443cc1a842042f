package chat_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/porticod/portico/services/chat"
)

func TestCallsAreLimitedPerUser(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.Limits.Calls = 1 }) // ten at once
	a, b := w.join("alice"), w.join("bob")
	id := a.with("alice")
	last := 0
	for i := 0; i < 1000 && last != 429; i++ {
		last, _ = a.do("GET", "/v1/conversations/"+id, "")
	}
	if last != 429 {
		t.Errorf("status %d", last)
	}
	b.call("GET", "/v1/me", "", 200, nil)
	s := a.connect()
	s.send(strings.Repeat(`{"id":2,"history":{"conv":%[1]q}}`+"\n", 20)+`{"id":3,"send":{"conv":%[1]q,"cid":"1","text":"sends have their own"}}`, id)
	if l := s.next("error", isErr); l.Error.Code != "rate_limited" || l.Error.RetryAfterMS == 0 {
		t.Errorf("%s", l.raw)
	}
	s.next("ack", isAck)
}

// Strangers are limited by address, those on the same machine are not.
func TestStrangersAreLimitedPerAddress(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.Limits.FailedLogins, c.Limits.SignUps = 2, 2 })
	w.join("alice")
	ask := func(from, path, body string) int {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.RemoteAddr = from
		rec := httptest.NewRecorder()
		w.chat.ServeHTTP(rec, r)
		if rec.Code == 429 && rec.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		return rec.Code
	}
	login := func(from, name string) int {
		return ask(from, "/v1/sessions", fmt.Sprintf(`{"username":%q,"password":"wrong password"}`, name))
	}
	got := []int{
		login("192.0.2.1:1", "alice"), login("192.0.2.1:2", "ALICE"), login("192.0.2.1:3", "alice"), login("192.0.2.1:4", "bob"),
		login("192.0.2.2:1", "alice"), login("127.0.0.1:1", "alice"), login("[2001:db8::1]:1", "alice"), login("[2001:db8::2]:1", "alice"), login("[2001:db8::3]:1", "alice"),
	}
	if fmt.Sprint(got) != "[401 401 429 401 401 401 401 401 429]" {
		t.Errorf("sign-ins: %v", got)
	}
	got = nil
	for i := range 5 { // the third fails and does not count
		body := fmt.Sprintf(`{"username":"new%d","password":"long enough"}`, i)
		if i == 1 {
			body = `{"username":"alice","password":"long enough"}`
		}
		got = append(got, ask("192.0.2.9:1", "/v1/accounts", body))
	}
	if fmt.Sprint(got) != "[201 409 201 429 429]" {
		t.Errorf("sign-ups: %v", got)
	}
}
