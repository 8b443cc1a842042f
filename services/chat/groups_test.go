package chat_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/services/chat"
)

// group makes a group and returns its id.
func (p *person) group(cid, title string, members ...string) string {
	p.w.t.Helper()
	var c conversation
	p.call("POST", "/v1/conversations", fmt.Sprintf(`{"kind":"group","cid":%q,"title":%q,"members":["%s"]}`, cid, title, strings.Join(members, `","`)), 201, &c)
	return c.ID
}

func (p *person) conv(id string) (c conversation) {
	p.w.t.Helper()
	p.call("GET", "/v1/conversations/"+id, "", 200, &c)
	return c
}

// texts are what a person sees of a conversation.
func (p *person) texts(id string) string {
	p.w.t.Helper()
	var h struct{ Messages []event }
	p.call("GET", "/v1/conversations/"+id+"/messages?limit=200", "", 200, &h)
	var all []string
	for _, m := range h.Messages {
		all = append(all, m.Text)
	}
	return strings.Join(all, " ")
}

// members are the names with their roles.
func (p *person) members(id string) string {
	p.w.t.Helper()
	var page struct {
		Members []struct{ Username, Role string }
	}
	p.call("GET", "/v1/conversations/"+id+"/members", "", 200, &page)
	var all []string
	for _, m := range page.Members {
		all = append(all, m.Username+":"+m.Role)
	}
	return strings.Join(all, " ")
}

func isType(typ string) func(line) bool {
	return func(l line) bool { return l.Ev != nil && l.Ev.Type == typ }
}

func TestGroupFromItsMakingToItsEnd(t *testing.T) {
	w := start(t, nil)
	a, b, c, eve := w.join("alice"), w.join("bob"), w.join("carol"), w.join("eve")
	epoch, at := epochOf(b), cursorOf(b)
	sb := b.connect()
	id := a.group("g1", "  Holidays ", "bob", "BOB", "alice")
	if ev := sb.next("conversation", isType("conversation")).Ev; ev.Conversation.Title != "Holidays" || ev.Conversation.Role != "member" || ev.Conversation.MembersCount != 2 {
		t.Errorf("bob hears %+v", ev.Conversation)
	}
	again := `{"kind":"group","cid":"g1","title":"Holidays","members":["bob"]}`
	a.call("POST", "/v1/conversations", again, 200, nil)
	a.call("POST", "/v1/conversations", strings.Replace(again, "Hol", "Bol", 1), 409, nil)
	path := "/v1/conversations/" + id
	for _, call := range []string{"GET ", "GET /members", "GET /messages", "DELETE "} {
		method, rest, _ := strings.Cut(call, " ")
		eve.call(method, path+rest, "", 404, nil)
	}
	eve.call("PUT", path+"/members/eve", "", 404, nil)

	a.say(id, "1", "one")
	b.call("PATCH", path, `{"title":"Mine"}`, 403, nil)
	b.call("PUT", path+"/members/carol", "", 403, nil)
	b.call("DELETE", path+"/members/alice", "", 403, nil)
	a.call("PUT", path+"/members/carol", "", 204, nil)
	if ev := sb.next("member", isType("member")).Ev; ev.Seq != 2 || ev.User != "carol" || ev.Action != "added" || ev.Role != "member" || ev.From != "alice" {
		t.Errorf("%+v", ev)
	}
	if got := c.conv(id); got.FromSeq != 2 || got.LastSeq != 2 || got.Role != "member" || got.Unread != 0 {
		t.Errorf("carol's: %+v", got)
	}
	a.say(id, "2", "two")
	if got := c.texts(id); got != "two" {
		t.Errorf("carol sees %q", got)
	}
	a.call("PUT", path+"/members/bob", `{"role":"admin"}`, 204, nil)
	a.call("PUT", path+"/members/bob", `{"role":"admin"}`, 204, nil) // no event
	a.call("PUT", path+"/members/bob", `{"role":"owner"}`, 400, nil)
	b.call("PUT", path+"/members/alice", `{"role":"member"}`, 403, nil)
	b.call("DELETE", path+"/members/alice", "", 403, nil)
	b.call("PATCH", path, `{"title":"Summer"}`, 200, nil)
	if got := a.conv(id); got.Title != "Summer" || got.LastSeq != 5 {
		t.Errorf("%+v", got)
	}

	sc := c.connect()
	b.call("DELETE", path+"/members/carol", "", 204, nil)
	if ev := sc.next("member", isType("member")).Ev; ev.Action != "removed" || ev.User != "carol" || ev.Seq != 6 {
		t.Errorf("carol's last event: %+v", ev)
	}
	a.say(id, "3", "three")
	if got := c.conv(id); !got.Left || got.LastSeq != 6 || c.texts(id) != "two" {
		t.Errorf("after it: %+v, %q", got, c.texts(id))
	}
	c.call("POST", path+"/messages", `{"cid":"x","text":"still here"}`, 403, nil)
	c.call("PUT", path+"/messages/3/reactions/👍", "", 403, nil)
	c.call("GET", path+"/members", "", 403, nil)
	a.call("PUT", path+"/members/carol", "", 204, nil)
	a.say(id, "4", "four")
	if got := c.texts(id); got != "two four" {
		t.Errorf("carol is back and sees %q", got)
	}
	if got := a.members(id); got != "alice:owner bob:admin carol:member" {
		t.Error(got)
	}

	a.call("DELETE", path, "", 204, nil)
	if got := b.members(id); got != "bob:owner carol:member" {
		t.Errorf("after the owner left: %s", got)
	}
	a.call("DELETE", path, "", 204, nil) // off the list
	a.call("GET", path, "", 404, nil)
	b.call("DELETE", path+"/members/bob", "", 204, nil)
	if got := c.members(id); got != "carol:owner" {
		t.Error(got)
	}
	c.call("DELETE", path, "", 204, nil)
	for _, p := range []*person{b, c} {
		p.call("GET", path, "", 404, nil)
	}
	if ev := sc.next("gone", func(l line) bool { return l.Ev != nil && l.Ev.Conversation != nil && l.Ev.Conversation.Gone }).Ev; ev.Conv != id {
		t.Errorf("%+v", ev)
	}
	got := b.events(epoch, at, "")
	if n := len(got.Events); n != 1 || !got.Events[0].Conversation.Gone {
		t.Errorf("bob missed %+v", got.Events)
	}
}

// What is replayed of a group to somebody who came and went is what was pushed.
func TestGroupEventsAreReplayed(t *testing.T) {
	w := start(t, nil)
	a, c := w.join("alice"), w.join("carol")
	id := a.group("g", "Group", "carol")
	path := "/v1/conversations/" + id
	sc := c.connect()
	epoch, at := epochOf(c), cursorOf(c)
	a.say(id, "1", "one")
	a.call("DELETE", path+"/members/carol", "", 204, nil)
	a.say(id, "2", "unseen")
	a.call("PUT", path+"/members/carol", "", 204, nil)
	a.say(id, "3", "three")
	a.call("PATCH", path, `{"title":"Renamed"}`, 200, nil)
	show := func(e event) string {
		what := e.Type + e.Action
		if e.Conversation != nil && e.Conversation.Title == "Renamed" {
			what += " Renamed"
		}
		return fmt.Sprint(what, " ", e.Cursor, " ", e.Text)
	}
	var pushed, replayed []string
	for len(pushed) < 6 {
		pushed = append(pushed, show(*sc.next("event", isEvent).Ev))
	}
	for _, e := range c.events(epoch, at, "").Events {
		replayed = append(replayed, show(e))
	}
	// State is replayed as it is now.
	want := strings.Replace(strings.Join(pushed, "\n"), "conversation ", "conversation Renamed ", 1)
	if got := strings.Join(replayed, "\n"); got != want {
		t.Errorf("replayed\n%s\nnot\n%s", got, want)
	}
}

func TestInviteLinks(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.PublicURL = "https://chat.example.org"; c.MaxMembers = 3 })
	a, b, c, d := w.join("alice"), w.join("bob"), w.join("carol"), w.join("dave")
	id := a.group("g", "Group", "bob")
	path := "/v1/conversations/" + id
	b.call("POST", path+"/invite", "", 403, nil)
	var link, second struct{ Code, URL string }
	a.call("POST", path+"/invite", "", 201, &link)
	if link.URL != "https://chat.example.org/#join="+link.Code || len(link.Code) < 20 {
		t.Errorf("%+v", link)
	}
	a.call("POST", path+"/invite", "{}", 201, &second)
	if second != link {
		t.Error("the link is another one")
	}
	var about struct {
		Title string
		Count int `json:"members_count"`
	}
	c.call("GET", "/v1/invites/"+link.Code, "", 200, &about)
	if about.Title != "Group" || about.Count != 2 {
		t.Errorf("%+v", about)
	}
	var joined conversation
	c.call("POST", "/v1/invites/"+link.Code, "", 201, &joined)
	c.call("POST", "/v1/invites/"+link.Code, "", 200, nil)
	if joined.ID != id || joined.Role != "member" || a.members(id) != "alice:owner bob:member carol:member" {
		t.Errorf("%+v, %s", joined, a.members(id))
	}
	d.call("POST", "/v1/invites/"+link.Code, "", 409, nil) // full
	a.call("PUT", path+"/members/dave", "", 409, nil)
	a.call("POST", path+"/invite", `{"reset":true}`, 201, &second)
	d.call("GET", "/v1/invites/"+link.Code, "", 404, nil)
	a.call("DELETE", path+"/invite", "", 204, nil)
	d.call("POST", "/v1/invites/"+second.Code, "", 404, nil)
	a.call("POST", "/v1/conversations", `{"kind":"group","cid":"big","title":"x","members":["bob","carol","dave"]}`, 409, nil)
}

func TestConversationSettings(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	id := a.with("bob")
	b.say(id, "1", "hello")
	s, path := a.connect(), "/v1/conversations/"+id+"/settings"
	epoch, at := epochOf(a), cursorOf(a)
	a.call("PUT", path, `{"muted_until":"2030-01-02T03:04:05Z","pinned":true,"archived":true,"unread":true}`, 204, nil)
	ev := s.next("conversation", isType("conversation")).Ev
	if c := ev.Conversation; c.MutedUntil != "2030-01-02T03:04:05.000Z" || !c.Pinned || !c.Archived || !c.MarkedUnread {
		t.Errorf("%+v", c)
	}
	a.call("PUT", path, `{"pinned":true}`, 204, nil) // nothing changes, nothing is said
	a.call("PUT", path, `{"muted_until":null,"archived":false}`, 204, nil)
	if c := s.next("conversation", isType("conversation")).Ev.Conversation; c.MutedUntil != "" || !c.Pinned || c.Archived {
		t.Errorf("%+v", c)
	}
	a.call("POST", "/v1/conversations/"+id+"/marks", `{"read":1}`, 204, nil)
	if c := a.conv(id); c.MarkedUnread || c.Unread != 0 {
		t.Errorf("read, and %+v", c)
	}
	if c := b.conv(id); c.Pinned {
		t.Error("bob's is pinned too")
	}
	got := a.events(epoch, at, "")
	if len(got.Events) != 2 || got.Events[0].Type != "mark" || !got.Events[1].Conversation.Pinned {
		t.Errorf("replayed: %+v", got.Events)
	}
	for _, bad := range []string{`{"muted_until":"tomorrow"}`, `{"muted_until":5}`, `{"pinned":"yes"}`} {
		a.call("PUT", path, bad, 400, nil)
	}
}

// A direct conversation that was cleared is gone for oneself, and comes back
// empty with the next message.
func TestClearedDirectConversation(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	id := a.with("bob")
	a.say(id, "1", "secret-word")
	other := a.connect()
	a.call("DELETE", "/v1/conversations/"+id, "", 204, nil)
	if ev := other.next("gone", isType("conversation")).Ev; !ev.Conversation.Gone {
		t.Errorf("%+v", ev)
	}
	var list struct{ Conversations []conversation }
	a.call("GET", "/v1/conversations", "", 200, &list)
	if len(list.Conversations) != 0 || a.texts(id) != "" || b.texts(id) != "secret-word" {
		t.Errorf("%+v, %q, %q", list, a.texts(id), b.texts(id))
	}
	b.say(id, "2", "back")
	if got := a.texts(id); got != "back" || a.conv(id).Unread != 1 {
		t.Errorf("%q, %+v", got, a.conv(id))
	}
	b.call("DELETE", "/v1/conversations/"+id, "", 204, nil)
	wait.Until(t, "what both cleared is erased", func() bool { return !onDisk(t, w, "secret-word") })
}

func TestBlocks(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	id, group := a.with("bob"), a.group("g", "Group", "bob")
	a.say(id, "1", "before")
	sa := a.connect()
	b.call("PUT", "/v1/blocks/alice", "", 204, nil)
	b.call("PUT", "/v1/blocks/alice", "", 204, nil)
	b.call("PUT", "/v1/blocks/bob", "", 400, nil)
	b.call("PUT", "/v1/blocks/nobody", "", 404, nil)
	var blocks struct{ Users []struct{ Username string } }
	b.call("GET", "/v1/blocks", "", 200, &blocks)
	if len(blocks.Users) != 1 || blocks.Users[0].Username != "alice" {
		t.Errorf("%+v", blocks)
	}
	path := "/v1/conversations/" + id
	for _, p := range []*person{a, b} { // both ways
		if status, body := p.do("POST", path+"/messages", `{"cid":"2","text":"x"}`); status != 403 || !strings.Contains(body, `"blocked"`) {
			t.Errorf("%s sends: %d %s", p.name, status, body)
		}
		p.call("PUT", path+"/messages/1/reactions/👍", "", 403, nil)
	}
	a.call("PATCH", path+"/messages/1", `{"text":"y"}`, 403, nil)
	a.call("POST", path+"/messages", `{"cid":"1","text":"before"}`, 200, nil) // a duplicate all the same
	b.call("POST", path+"/marks", `{"read":1}`, 204, nil)
	b.call("POST", path+"/typing", `{"on":true}`, 204, nil)
	a.call("POST", "/v1/conversations", `{"kind":"group","cid":"g2","title":"x","members":["bob"]}`, 403, nil)
	g2 := a.group("g3", "x", "alice")
	a.call("PUT", "/v1/conversations/"+g2+"/members/bob", "", 403, nil)
	b.say(group, "1", "groups are untouched")
	if ev := sa.next("first event", func(l line) bool { return l.Ev != nil && l.Ev.Type != "conversation" }).Ev; ev.Text != "groups are untouched" {
		t.Errorf("alice hears %+v", ev)
	}
	b.call("DELETE", "/v1/blocks/alice", "", 204, nil)
	a.say(id, "2", "after")
}

func TestLargeGroup(t *testing.T) {
	w := start(t, nil)
	owner := w.join("owner")
	var names []string
	for i := range 80 {
		names = append(names, fmt.Sprintf("member%02d", i))
		w.join(names[i])
	}
	first := w.join("first")
	id := owner.group("g", "Many", append(names, "first")...)
	c := first.conv(id)
	if c.MembersCount != 82 || len(c.Members) != 64 {
		t.Errorf("%d of %d members", len(c.Members), c.MembersCount)
	}
	owner.say(id, "1", "hello")
	so, sf, own := owner.connect(), first.connect(), first.connect()
	first.call("POST", "/v1/conversations/"+id+"/typing", `{}`, 204, nil) // too many
	first.call("POST", "/v1/conversations/"+id+"/marks", `{"read":1}`, 204, nil)
	if ev := own.next("own mark", isMark).Ev; ev.From != "first" {
		t.Errorf("%+v", ev)
	}
	sf.next("own mark", isMark)
	owner.say(id, "2", "more")
	if ev := so.next("next event", isEvent).Ev; ev.Type != "message" {
		t.Errorf("the owner hears of %+v", ev)
	}
	var receipts struct {
		Receipts []struct {
			Username   string
			Recv, Read bool
		}
		Next string
	}
	owner.call("GET", "/v1/conversations/"+id+"/messages/1/receipts?limit=2", "", 200, &receipts)
	if fmt.Sprint(receipts) != "{[{first true true} {member00 false false}] member00}" {
		t.Errorf("%+v", receipts)
	}
	owner.call("GET", "/v1/conversations/"+id+"/messages/1/receipts?after=member78&limit=200", "", 200, &receipts)
	if len(receipts.Receipts) != 1 {
		t.Errorf("%+v", receipts)
	}
}
