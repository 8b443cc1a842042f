package chat_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
)

// onDisk says that a word is in some file of the service.
func onDisk(t *testing.T, w *world, word string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(w.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, "-wal") || strings.HasSuffix(path, "-shm") {
			return nil // the log of the database is written over; see the test that closes it
		}
		data, err := os.ReadFile(path)
		found = found || bytes.Contains(bytes.ToLower(data), []byte(word))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (p *person) message(conv string, seq int64) (e event) {
	p.w.t.Helper()
	p.call("GET", fmt.Sprintf("/v1/conversations/%s/messages/%d", conv, seq), "", 200, &e)
	return e
}

func (p *person) search(q string) string {
	p.w.t.Helper()
	var found struct{ Messages []event }
	p.call("GET", "/v1/search?q="+q, "", 200, &found)
	var all []string
	for _, m := range found.Messages {
		all = append(all, m.Text)
	}
	return strings.Join(all, "|")
}

func TestEditsDeletionsAndReactions(t *testing.T) {
	w := start(t, nil)
	a, b, eve := w.join("alice"), w.join("bob"), w.join("eve")
	id := a.with("bob")
	a.say(id, "1", "aardvark once")
	sb := b.connect()
	epoch, at := epochOf(b), cursorOf(b)
	before := at - 1 // the message itself is replayed too
	path := "/v1/conversations/" + id + "/messages/1"

	var m event
	a.call("PATCH", path, `{"text":"badger twice"}`, 200, &m)
	if m.Text != "badger twice" || m.EditedAt == "" || m.CID != "1" {
		t.Errorf("%+v", m)
	}
	a.call("PATCH", path, `{"text":"badger twice"}`, 200, nil)
	if ev := sb.next("edit", isType("edit")).Ev; ev.Seq != 2 || ev.Target != 1 || ev.Text != "badger twice" || ev.EditedAt != ev.At {
		t.Errorf("%+v", ev)
	}
	b.call("PATCH", path, `{"text":"mine"}`, 403, nil)
	eve.call("PATCH", path, `{"text":"mine"}`, 404, nil)
	a.call("PATCH", path, `{"text":" "}`, 400, nil)
	a.call("PATCH", path, `{}`, 400, nil)
	a.call("PATCH", "/v1/conversations/"+id+"/messages/2", `{"text":"no message"}`, 404, nil)
	a.call("PATCH", "/v1/conversations/"+id+"/messages/x", `{"text":"no message"}`, 404, nil)
	if got := a.say(id, "1", "aardvark once"); !got.Dup {
		t.Errorf("the body as first sent is a dup after an edit: %+v", got)
	}

	b.call("PUT", path+"/reactions/👍", "", 204, nil)
	b.call("PUT", path+"/reactions/👍", "", 204, nil)
	a.call("PUT", path+"/reactions/👍", "", 204, nil)
	b.call("PUT", path+"/reactions/❤️", "", 204, nil) // takes the place
	b.call("DELETE", path+"/reactions/🎉", "", 204, nil)
	for _, bad := range []string{"a", "ok", "%20", "%00", "1", strings.Repeat("👍", 20), "%F0%9F"} {
		b.call("PUT", path+"/reactions/"+bad, "", 400, nil)
	}
	got := ""
	for _, r := range b.message(id, 1).Reactions {
		got += fmt.Sprintf("%s%d %v %v ", r.Emoji, r.Count, r.Users, r.Mine)
	}
	if got != "👍1 [alice] false ❤️1 [bob] true " {
		t.Error(got)
	}
	for i, want := range []string{"👍true", "👍true", "👍false", "❤️true"} {
		if ev := sb.next("reaction", isType("reaction")).Ev; ev.Seq != int64(i+3) || ev.Target != 1 || fmt.Sprint(ev.Emoji, ev.On) != want {
			t.Errorf("%d: %+v", i, ev)
		}
	}
	replay := b.events(epoch, before, "")
	if n := len(replay.Events); n != 6 || replay.Events[0].Text != "badger twice" || replay.Events[1].Text != "badger twice" || replay.Events[5].Emoji != "❤️" {
		t.Errorf("%+v", replay.Events)
	}

	b.call("DELETE", path, "", 403, nil)
	a.call("DELETE", path, "", 204, nil)
	a.call("DELETE", path, "", 204, nil)
	if ev := sb.next("delete", isType("delete")).Ev; ev.Seq != 7 || ev.Target != 1 || ev.From != "alice" || ev.For != "" {
		t.Errorf("%+v", ev)
	}
	if m := b.message(id, 1); !m.Deleted || m.Text != "" || m.EditedAt != "" || len(m.Reactions) != 0 || m.CID != "1" {
		t.Errorf("%+v", m)
	}
	a.call("PATCH", path, `{"text":"again"}`, 404, nil)
	b.call("PUT", path+"/reactions/👍", "", 404, nil)
	replay = b.events(epoch, before, "")
	if n := len(replay.Events); n != 7 || !replay.Events[0].Deleted || !replay.Events[1].Deleted || replay.Events[1].Text != "" {
		t.Errorf("%+v", replay.Events)
	}
	if got := a.say(id, "1", "aardvark once"); !got.Dup || got.Seq != 1 {
		t.Errorf("deleted, and the cid gives %+v", got)
	}
	if c := b.conv(id); c.Unread != 0 {
		t.Errorf("%d unread", c.Unread)
	}
	if got := a.say(id, "2", "next"); got.Seq != 8 {
		t.Errorf("seq %d is not dense", got.Seq)
	}
}

func TestDeletionForOneself(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	id := a.with("bob")
	a.say(id, "1", "zebra")
	a.say(id, "2", "stays")
	s, path := b.connect(), "/v1/conversations/"+id+"/messages/1"
	epoch, at := epochOf(b), cursorOf(b)
	b.call("DELETE", path+"?for=me", "", 204, nil)
	b.call("DELETE", path+"?for=me", "", 204, nil)
	b.call("DELETE", path+"?for=you", "", 400, nil)
	if ev := s.next("delete", isType("delete")).Ev; ev.For != "me" || ev.Target != 1 {
		t.Errorf("%+v", ev)
	}
	b.call("GET", path, "", 404, nil)
	if b.texts(id) != "stays" || a.texts(id) != "zebra stays" || b.search("zebra") != "" || a.search("zebra") != "zebra" || b.conv(id).Unread != 1 {
		t.Errorf("%q, %q, %d unread", b.texts(id), a.texts(id), b.conv(id).Unread)
	}
	if got := b.events(epoch, at, ""); len(got.Events) != 1 || got.Events[0].For != "me" {
		t.Errorf("%+v", got.Events)
	}
}

// What was deleted or edited away is in no file any more.
func TestDeletedTextIsGoneFromTheDisk(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	id := a.with("alice")
	a.say(id, "1", "xylophone one")
	a.say(id, "2", "quagmire two")
	if a.search("xylophone") == "" || a.search("quagm") != "quagmire two" {
		t.Error("not found")
	}
	a.call("DELETE", "/v1/conversations/"+id+"/messages/1", "", 204, nil)
	a.call("PATCH", "/v1/conversations/"+id+"/messages/2", `{"text":"changed"}`, 200, nil)
	if a.search("xylophone") != "" || a.search("quagmire") != "" || a.search("chang") != "changed" {
		t.Error("found")
	}
	wait.Until(t, "deleted words leave the disk of a running chat", func() bool { return !onDisk(t, w, "xylophone") && !onDisk(t, w, "quagmire") })
	w.close()
	if onDisk(t, w, "xylophone") || onDisk(t, w, "quagmire") {
		t.Error("deleted words are still on the disk")
	}
	if !onDisk(t, w, "changed") {
		t.Error("this test finds nothing")
	}
	w.open()
}

func TestSearchShowsOnlyWhatOneMaySee(t *testing.T) {
	w := start(t, nil)
	a, b, c := w.join("alice"), w.join("bob"), w.join("carol")
	id, notes := a.group("g", "Group", "bob"), a.with("alice")
	a.say(id, "1", "Über the early apples")
	a.call("PUT", "/v1/conversations/"+id+"/members/carol", "", 204, nil)
	a.say(id, "2", "late apples")
	a.say(notes, "1", "my own apples")
	for _, x := range []struct {
		p       *person
		q, want string
	}{
		{a, "apples", "my own apples|late apples|Über the early apples"}, {b, "apples", "late apples|Über the early apples"},
		{c, "apples", "late apples"}, {b, "uber+APP", "Über the early apples"}, {b, "apples+late", "late apples"},
		{b, "%22apples%22+OR+*", ""}, {b, "", ""}, {b, "!!", ""}, {b, "text:apples", ""}, {a, "apples&conv=" + notes, "my own apples"}, {a, "apples&limit=1", "my own apples"},
	} {
		if got := x.p.search(x.q); got != x.want {
			t.Errorf("%s searches %s: %q, not %q", x.p.name, x.q, got, x.want)
		}
	}
	c.call("GET", "/v1/search?q=apples&conv="+notes, "", 404, nil)
	a.call("GET", "/v1/search?q="+strings.Repeat("x", 1001), "", 400, nil)
}

func TestCommandsOverWebSocket(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	sa, sb := a.connect(), b.connect()
	sa.send(`{"id":"g","create":{"kind":"group","cid":"g","title":"Team","members":["bob"]}}`)
	sa.next("group", func(l line) bool { return l.Conversation != nil && string(l.ID) == `"g"` })
	id := sb.next("conversation", isType("conversation")).Ev.Conv
	a.say(id, "1", "one")
	did := func(s *socket, id int, cmd string) ack {
		s.send(`{"id":%d,%s}`, id, cmd)
		l := s.next("answer", func(l line) bool { return string(l.ID) == fmt.Sprint(id) })
		if l.Ack == nil {
			t.Fatalf("%s: %s", cmd, l.raw)
		}
		return *l.Ack
	}
	at := fmt.Sprintf(`"conv":%q,"seq":1`, id)
	for i, cmd := range []string{
		`"edit":{` + at + `,"text":"two"}`, `"react":{` + at + `,"emoji":"🎉"}`, `"react":{` + at + `,"emoji":"🎉","on":false}`, `"delete":{` + at + `}`,
	} {
		got := did(sa, 10+i, cmd)
		if got.Seq != int64(i+2) || got.Conv != id || got.At == "" {
			t.Errorf("%s: %+v", cmd, got)
		}
		if ev := sb.next("event", func(l line) bool { return l.Ev != nil && l.Ev.Seq == got.Seq }).Ev; ev.Target != 1 {
			t.Errorf("%+v", ev)
		}
	}
	if got := did(sa, 20, `"delete":{`+at+`}`); got.Seq != 5 { // the event that said so
		t.Errorf("%+v", got)
	}
	did(sb, 30, `"mark":{"conv":"`+id+`","read":5}`)
	did(sb, 31, `"typing":{"conv":"`+id+`"}`)
	did(sb, 32, `"watch":{"users":["alice"]}`)
	did(sb, 33, `"delete":{`+at+`,"for":"me"}`)
	for _, bad := range []string{`"edit":{"conv":"c_9","seq":1,"text":"x"}`, `"react":{` + at + `,"emoji":"x"}`, `"delete":{` + at + `,"for":"you"}`} {
		sa.send(`{"id":9,%s}`, bad)
		sa.next("error", isErr)
	}
	sa.send(`{"edit":{%s,"text":"x"}}`, at)
	if l := sa.next("error", isErr); l.Error.Code != "bad_request" {
		t.Errorf("%s", l.raw)
	}
}
