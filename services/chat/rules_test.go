package chat_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/chat"
)

// The same group again is found, whatever would keep one from making it now.
func TestGroupAgain(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.MaxMembers = 4 })
	a, b := w.join("alice"), w.join("bob")
	w.join("carol")
	body := `{"kind":"group","cid":"g","title":"T","members":["bob","Carol"]}`
	var first, again conversation
	a.call("POST", "/v1/conversations", body, 201, &first)
	b.call("PUT", "/v1/blocks/alice", "", 204, nil)
	a.call("POST", "/v1/conversations", body, 200, &again)
	if again.ID != first.ID {
		t.Errorf("%s, then %s", first.ID, again.ID)
	}
	a.call("POST", "/v1/conversations", strings.Replace(body, `"g"`, `"h"`, 1), 403, nil)
	a.call("POST", "/v1/conversations", strings.Replace(body, `"T"`, `"U"`, 1), 409, nil)
	a.call("POST", "/v1/conversations", strings.Replace(body, "bob", "nobody.here", 1), 409, nil)
	a.call("POST", "/v1/conversations", `{"kind":"group","cid":"i","title":"T","members":["nobody.here"]}`, 404, nil)
	text := a.upload("t", []byte("text"))
	a.call("POST", "/v1/conversations", fmt.Sprintf(`{"kind":"group","cid":"j","title":"T","members":[],"avatar":%q}`, text.ID), 400, nil)
	a.call("PATCH", "/v1/conversations/"+first.ID, fmt.Sprintf(`{"avatar":%q}`, text.ID), 400, nil)
}

// Who writes has read: the mark that he set by hand goes, on all his devices.
func TestWritingEndsTheMarkByHand(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	id := a.with("alice")
	a.say(id, "1", "one")
	a.call("PUT", "/v1/conversations/"+id+"/settings", `{"unread":true}`, 204, nil)
	epoch, at := epochOf(a), cursorOf(a)
	s := a.connect()
	a.say(id, "2", "two")
	if c := s.next("conversation", isType("conversation")).Ev.Conversation; c.MarkedUnread || c.Last == nil || c.Last.Text != "two" {
		t.Errorf("%+v", c)
	}
	if got := a.events(epoch, at, "").Events; len(got) != 2 || got[0].Type != "message" || got[1].Conversation == nil || got[1].Conversation.MarkedUnread {
		t.Errorf("replayed: %+v", got)
	}
}

// What somebody said in a group that he left and took off his list goes with his
// account, too.
func TestDeletedAccountOfSomebodyWhoLeft(t *testing.T) {
	w := start(t, nil)
	u, err := w.accounts.AddUser(t.Context(), account.NewUser{Username: "alice", Password: "password of alice"}, account.RoleUser)
	if err != nil {
		t.Fatal(err)
	}
	a, b := &person{w, "alice", w.token(u.ID)}, w.join("bob")
	id := b.group("g", "Group", "alice")
	a.say(id, "1", "leftword")
	for range 2 {
		a.call("DELETE", "/v1/conversations/"+id, "", 204, nil)
	}
	a.call("GET", "/v1/conversations/"+id, "", 404, nil)
	a.call("DELETE", "/v1/me", `{"password":"password of alice"}`, 204, nil)
	wait.Until(t, "it is erased", func() bool { return b.message(id, 1).Deleted })
	wait.Until(t, "it is off the disk", func() bool { return !onDisk(t, w, "leftword") })
}

// An upload beyond the quota leaves nothing, unless somebody else has the same.
func TestRefusedUploadsLeaveNothing(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.MaxAttachment, c.Quota = 1000, 1000 })
	a, b := w.join("alice"), w.join("bob")
	a.upload("a", []byte(strings.Repeat("a", 800)))
	for _, body := range []string{strings.Repeat("b", 800), strings.Repeat("c", 999), strings.Repeat("a", 800)} {
		a.call("POST", "/v1/blobs", body, 507, nil)
	}
	if n := w.files(); n != 1 {
		t.Errorf("%d files", n)
	}
	if same := b.upload("b", []byte(strings.Repeat("a", 800))); same.Size != 800 || w.files() != 1 {
		t.Errorf("%+v, %d files", same, w.files())
	}
}

func TestRangesOfAttachments(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	doc := a.upload("x.txt", []byte("0123456789"))
	for ranges, want := range map[string]string{
		"bytes=2-4": "206 234", "bytes=-3": "206 789", "bytes=8-99": "206 89", "": "200 0123456789",
		"bytes=10-": `416 {"error":{"code":"bad_request","message":"the attachment has no such range"}}` + "\n",
	} {
		req, err := http.NewRequest("GET", w.http.URL+doc.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ranges != "" {
			req.Header.Set("Range", ranges)
		}
		if got := fetch(t, w, req); got != want {
			t.Errorf("%s: %q, not %q", ranges, got, want)
		}
	}
}

// fetch returns status and body.
func fetch(t *testing.T, w *world, req *http.Request) string {
	t.Helper()
	res, err := w.http.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(res.StatusCode, " ", string(body))
}

// Pages of conversations end at their size, and lose none.
func TestConversationPagesEndAtTheirSize(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	text := strings.Repeat("x", 16<<10)
	for i := range 40 {
		a.say(a.group(fmt.Sprint("g", i), "Group", "alice"), "1", text)
	}
	seen, pages, after := map[string]bool{}, 0, ""
	for {
		var page struct {
			Conversations []conversation
			Next          string
		}
		a.call("GET", "/v1/conversations?limit=200&after="+after, "", 200, &page)
		pages++
		for _, c := range page.Conversations {
			seen[c.ID] = true
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(seen) != 40 || pages != 2 {
		t.Errorf("%d conversations on %d pages", len(seen), pages)
	}
}
