package chat_test

import (
	"fmt"
	"strings"
	"testing"
)

// told is what a page of history tells beside messages, with what it says.
func (p *person) told(id, query string) string {
	p.w.t.Helper()
	var h struct{ Messages, Events []event }
	p.call("GET", "/v1/conversations/"+id+"/messages?"+query, "", 200, &h)
	var all []string
	for _, e := range h.Events {
		if e.Cursor != 0 || e.Conv != id || e.At == "" || e.Conversation != nil {
			p.w.t.Errorf("told %+v", e)
		}
		all = append(all, strings.TrimSpace(fmt.Sprint(e.Seq, " ", e.From, " ", e.Action, " ", e.User, e.Title)))
	}
	return strings.Join(all, ", ")
}

// Who came, who left and what a group was called is found in history, by those
// who were there.
func TestHistoryTellsWhatHappened(t *testing.T) {
	w := start(t, nil)
	a, b, c := w.join("alice"), w.join("bob"), w.join("carol")
	id := a.group("g", "First", "bob")
	path := "/v1/conversations/" + id
	if got := b.conv(id); got.CreatedBy != "alice" || got.CreatedAt == "" {
		t.Errorf("made by %q at %q", got.CreatedBy, got.CreatedAt)
	}
	epoch, at := epochOf(b), cursorOf(b)
	a.say(id, "1", "one")
	a.call("PUT", path+"/members/carol", "", 204, nil)
	a.say(id, "2", "two")
	a.call("PATCH", path, `{"title":"Second"}`, 200, nil)
	a.call("PATCH", path, `{"title":"Second"}`, 200, nil) // no event
	a.call("PATCH", path, `{"title":"Third"}`, 200, nil)
	a.say(id, "3", "three")
	a.call("DELETE", path+"/members/carol", "", 204, nil)
	a.call("PATCH", path, `{"title":"Fourth"}`, 200, nil)
	const added, titles, rest = "2 alice added carol", "4 alice title Second, 5 alice title Third", "7 alice removed carol, 8 alice title Fourth"
	for query, want := range map[string]string{
		"": added + ", " + titles + ", " + rest, "limit=1": rest, "before=6&limit=1": titles, "before=3&limit=1": added, "before=1": "",
		"after=0&limit=1": "", "after=1&limit=1": added, "after=3&limit=1": titles + ", " + rest, "after=6": rest, "around=3&limit=2": titles + ", " + rest, "around=3&limit=1": "",
	} {
		if got := b.told(id, query); got != want {
			t.Errorf("%s: %s, not %s", query, got, want)
		}
	}
	if got := c.told(id, ""); got != added+", "+titles+", 7 alice removed carol" {
		t.Errorf("carol is told %s", got)
	}
	if got := c.conv(id); got.Title != "Third" || len(got.Members) != 0 {
		t.Errorf("carol, who left, sees %+v", got)
	}
	var replayed []string
	for _, e := range b.events(epoch, at, "").Events {
		if e.Type == "conversation" {
			replayed = append(replayed, fmt.Sprint(e.Seq, e.Action, e.Title, e.Conversation.Title))
		}
	}
	if got := strings.Join(replayed, " "); got != "4titleSecondFourth 5titleThirdFourth 8titleFourthFourth" {
		t.Errorf("replayed: %s", got)
	}
}
