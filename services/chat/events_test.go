package chat_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/servicetest"
)

type page struct {
	Epoch       string
	Cursor      int64
	Events      []event
	More, Reset bool
}

func (p *person) events(epoch string, after int64, more string) (got page) {
	p.w.t.Helper()
	p.call("GET", fmt.Sprintf("/v1/events?epoch=%s&after=%d%s", epoch, after, more), "", 200, &got)
	return got
}

func TestLongPoll(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	epoch, at := epochOf(b), cursorOf(b)
	if got := b.events(epoch, at, ""); len(got.Events) != 0 || got.Cursor != at || got.Reset {
		t.Errorf("nothing new: %+v", got)
	}
	answer := make(chan page, 1)
	go func() { answer <- b.events(epoch, at, "&wait=30") }()
	waitTracked(t, w, 1)
	a.say(conv, "1", "hello")
	got := <-answer
	if n := len(got.Events); n == 0 || got.Events[0].Type != "conversation" {
		t.Fatalf("%+v", got)
	}
	got = b.events(epoch, at, "")
	if n := len(got.Events); n != 2 || got.Events[1].Text != "hello" || got.Cursor < got.Events[1].Cursor {
		t.Errorf("%+v", got)
	}
	// Others' conversations are none of eve's business, and do not wake her.
	eve := w.join("eve")
	if got := eve.events(epoch, 0, ""); len(got.Events) != 0 || got.Reset {
		t.Errorf("eve: %+v", got)
	}
}

func TestLongPollPages(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	conv := a.with("alice")
	s := a.connect()
	for i := 0; i < 600; i += 60 {
		frame := ""
		for j := i; j < i+60; j++ {
			frame += fmt.Sprintf(`{"id":%d,"send":{"conv":%q,"cid":"c%d","text":"x"}}`+"\n", j, conv, j)
		}
		s.send("%s", frame)
	}
	for range 600 {
		s.next("ack", isAck)
	}
	epoch := epochOf(a)
	first := a.events(epoch, 0, "")
	second := a.events(epoch, first.Cursor, "")
	if len(first.Events) != 500 || !first.More || len(second.Events) != 101 || second.More {
		t.Errorf("%d more %v, %d more %v", len(first.Events), first.More, len(second.Events), second.More)
	}
}

func TestResets(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.ResumeLimit = 10 })
	a := w.join("alice")
	conv := a.with("alice")
	from := cursorOf(a)
	for i := range 11 {
		a.say(conv, fmt.Sprint(i), "x")
	}
	epoch, at := epochOf(a), cursorOf(a)
	for _, c := range []struct {
		name   string
		epoch  string
		cursor int64
		reset  bool
	}{
		{"the present", epoch, at, false},
		{"ten missed", epoch, from + 1, false},
		{"eleven missed", epoch, from, true},
		{"another epoch", "other", at, true},
		{"the future", epoch, at + 1, true},
		{"before the beginning", epoch, -1, true},
	} {
		if got := a.events(c.epoch, c.cursor, ""); got.Reset != c.reset || c.reset && (len(got.Events) > 0 || got.Cursor != at || got.Epoch != epoch) {
			t.Errorf("%s by long poll: %+v", c.name, got)
		}
		s, hello := a.resume(c.epoch, c.cursor)
		if hello.Connect.Reset != c.reset || hello.Connect.Resumed == c.reset {
			t.Errorf("%s by WebSocket: %s", c.name, hello.raw)
		}
		if l := s.next("synced or event", any1); c.reset && (l.Synced == nil || l.Synced.Cursor != at) {
			t.Errorf("%s: a reset, and then %s", c.name, l.raw)
		}
	}
}

// A resumed client sees marks and edits as they are now, each position once and
// in order.
func TestMarksAreReplayedAsTheyStand(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	for i := range 3 {
		a.say(conv, fmt.Sprint(i), "x")
	}
	epoch, at := epochOf(a), cursorOf(a)
	marks := "/v1/conversations/" + conv + "/marks"
	for _, m := range []string{`{"recv":1}`, `{"recv":2}`, `{"read":1}`, `{"recv":1}`, `{"read":99}`, `{"read":3}`} {
		b.call("POST", marks, m, 204, nil)
	}
	got := a.events(epoch, at, "")
	if len(got.Events) != 1 || got.Events[0].Read != 3 || got.Events[0].Recv != 3 || got.Events[0].From != "bob" {
		t.Errorf("%+v", got)
	}
	var members struct {
		Members []struct {
			Username   string
			Recv, Read int64
		}
	}
	a.call("GET", "/v1/conversations/"+conv+"/members", "", 200, &members)
	if fmt.Sprint(members.Members) != "[{alice 3 3} {bob 3 3}]" {
		t.Errorf("%+v", members)
	}
}

func TestEventStream(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	a.say(conv, "1", "before")
	stream := func(lastID string) *bufio.Scanner {
		req := servicetest.Request("GET", w.http.URL+"/v1/events").WithContext(t.Context())
		req.Header = http.Header{"Accept": {"text/event-stream"}, "Authorization": {"Bearer " + b.token}}
		if lastID != "" {
			req.Header.Set("Last-Event-ID", lastID)
		}
		res, err := w.http.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || ct != "text/event-stream" {
			t.Fatalf("%s %s", res.Status, ct)
		}
		return bufio.NewScanner(res.Body)
	}
	until := func(sc *bufio.Scanner, want string) (lines []string) {
		for sc.Scan() {
			lines = append(lines, sc.Text())
			if strings.Contains(sc.Text(), want) {
				return lines
			}
		}
		t.Fatalf("the stream ended without %q: %q", want, lines)
		return nil
	}
	sc := stream("")
	until(sc, "event: synced")
	a.say(conv, "2", "live")
	lines := until(sc, "live")
	id := strings.TrimPrefix(lines[len(lines)-2], "id: ")
	a.say(conv, "3", "missed")
	again := until(stream(id), "synced")
	if text := strings.Join(again, "\n"); strings.Contains(text, "live") || !strings.Contains(text, "missed") {
		t.Errorf("resumed after %s: %s", id, text)
	}
	if text := strings.Join(until(stream("other:1"), "event: synced"), "\n"); !strings.Contains(text, "event: reset") {
		t.Errorf("another epoch: %s", text)
	}
	w.env.Drain(1012)
	until(sc, "event: close")
	for sc.Scan() { // it ends
	}
}

func TestConversationAppearsWithItsFirstMessage(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	sb := b.connect()
	conv := a.with("bob")
	if again := a.with("BOB"); again != conv {
		t.Errorf("the same people, and %s beside %s", again, conv)
	}
	var list struct{ Conversations []struct{ ID string } }
	if b.call("GET", "/v1/conversations", "", 200, &list); len(list.Conversations) != 0 {
		t.Errorf("bob sees an empty conversation: %+v", list)
	}
	a.say(conv, "1", "hello")
	first := sb.next("event", isEvent).Ev
	second := sb.next("event", isEvent).Ev
	if first.Type != "conversation" || first.Conversation.ID != conv || second.Type != "message" || second.Cursor <= first.Cursor {
		t.Errorf("%+v, then %+v", first, second)
	}
	if b.call("GET", "/v1/conversations", "", 200, &list); len(list.Conversations) != 1 {
		t.Errorf("bob does not see it: %+v", list)
	}
	if status, _ := b.do("POST", "/v1/conversations", `{"kind":"direct","with":"alice"}`); status != 200 {
		t.Errorf("it exists, and bob's attempt to make it says %d", status)
	}
}

func TestNotesToSelf(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	conv := a.with("alice")
	s := a.connect()
	a.say(conv, "1", "buy milk")
	if e := s.next("message", isMessage).Ev; e.Text != "buy milk" {
		t.Errorf("%+v", e)
	}
	var c struct {
		Members []string
		Unread  int64
	}
	a.call("GET", "/v1/conversations/"+conv, "", 200, &c)
	if fmt.Sprint(c.Members) != "[alice]" || c.Unread != 0 {
		t.Errorf("%+v", c)
	}
}

func TestProfilesAndSearch(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	w.join("bob")
	var me struct{ Username, Name, About string }
	a.call("PATCH", "/v1/me", `{"name":"Alice A.","about":"here\nand there"}`, 200, &me)
	a.call("PATCH", "/v1/me", `{"name":"Alice B."}`, 200, nil)
	a.call("GET", "/v1/me", "", 200, &me)
	if me.Name != "Alice B." || me.About != "here\nand there" {
		t.Errorf("%+v", me)
	}
	var found struct {
		Users []struct{ Username, Name string }
	}
	a.call("GET", "/v1/users?q=b", "", 200, &found)
	if fmt.Sprint(found.Users) != "[{bob } {alice Alice B.}]" && fmt.Sprint(found.Users) != "[{alice Alice B.} {bob }]" {
		t.Errorf("%+v", found)
	}
	var sessions struct {
		Sessions []struct {
			ID      string
			Current bool
		}
	}
	a.call("GET", "/v1/sessions", "", 200, &sessions)
	if len(sessions.Sessions) != 1 || !sessions.Sessions[0].Current {
		t.Errorf("%+v", sessions)
	}
}

func TestAllowedOriginsMayCallTheAPI(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.AllowedOrigins = []string{"https://app.example.org"} })
	for origin, want := range map[string]string{"https://app.example.org": "https://app.example.org", "https://evil.example.org": ""} {
		req := servicetest.Request("OPTIONS", w.http.URL+"/v1/me")
		req.Header = http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"PATCH"}}
		res, err := w.http.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: %q", origin, got)
		}
	}
}

// Times never fall within a conversation, and all are in the documented form.
func TestTimes(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	conv := a.with("alice")
	last := ""
	for i := range 20 {
		at := a.say(conv, fmt.Sprint(i), "x").At
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", at); err != nil || at < last {
			t.Errorf("%s after %s: %v", at, last, err)
		}
		last = at
	}
}
