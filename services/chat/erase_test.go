package chat_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
)

func TestDeletedAccount(t *testing.T) {
	w := start(t, nil)
	u, err := w.accounts.AddUser(t.Context(), account.NewUser{Username: "alice", Password: "password of alice"}, account.RoleUser)
	if err != nil {
		t.Fatal(err)
	}
	a, b := &person{w, "alice", w.token(u.ID)}, w.join("bob")
	id, group, alone := a.with("bob"), a.group("g", "Group", "bob"), a.group("h", "Alone", "alice")
	a.say(alone, "1", "lonelyword")
	doc := a.upload("x", []byte("attached words"))
	a.call("POST", "/v1/conversations/"+id+"/messages", fmt.Sprintf(`{"cid":"1","text":"directword","attachments":[%q]}`, doc.ID), 201, nil)
	a.say(group, "1", "groupword")
	b.say(group, "1", "stays")
	a.call("PUT", "/v1/conversations/"+group+"/messages/2/reactions/👍", "", 204, nil)
	_ = b.search("groupword")
	s := a.connect()
	a.call("DELETE", "/v1/me", `{"password":"wrong"}`, 403, nil)
	a.call("DELETE", "/v1/me", `{"password":"password of alice"}`, 204, nil)
	if code := s.closed(); code != 4500 {
		t.Errorf("closed with %d", code)
	}
	a.call("GET", "/v1/me", "", 401, nil)
	w.reopen() // it goes on after a crash
	wait.Until(t, "everything is erased", func() bool {
		e, err := w.accounts.Erasure(t.Context(), u.ID)
		return err == nil && e.Done() && b.members(group) == "bob:owner" && b.message(group, 1).Deleted && b.message(id, 1).Deleted && w.files() == 0
	})
	if m := b.message(group, 2); m.Text != "stays" || len(m.Reactions) != 0 {
		t.Errorf("%+v", m)
	}
	if b.search("groupword") != "" || b.conv(group).LastSeq != 5 { // two messages, a reaction, left, role
		t.Errorf("%+v", b.conv(group))
	}
	w.close()
	for _, word := range []string{"directword", "groupword", "lonelyword", "attached words"} {
		if onDisk(t, w, word) {
			t.Errorf("%s is still on the disk", word)
		}
	}
	w.open()
}

func TestExport(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	w.join("eve")
	id := a.with("bob")
	for i := range 250 {
		a.say(id, fmt.Sprint(i), "x")
	}
	b.say(id, "1", "y")
	a.call("PUT", "/v1/blocks/eve", "", 204, nil)
	_, body := a.do("GET", "/v1/export", "")
	count := map[string]int{}
	for _, l := range strings.Split(body, "\n") {
		var line struct{ Type string }
		if err := json.Unmarshal([]byte(l), &line); err != nil {
			t.Fatalf("%v in %q", err, l)
		}
		count[line.Type]++
	}
	if fmt.Sprint(count) != "map[block:1 conversation:1 end:1 message:251 session:1 user:1]" {
		t.Error(count)
	}
	_, _ = a.do("GET", "/v1/export", "")
	a.call("GET", "/v1/export", "", 429, nil)
}
