package chat

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
	"github.com/porticod/portico/services/chat/api"
)

type object = map[string]any

// id reads the id or code of an object.
func id(t *testing.T, answer []byte) string {
	t.Helper()
	var v struct{ ID, Code, Token string }
	if err := json.Unmarshal(answer, &v); err != nil {
		t.Fatal(err)
	}
	return v.ID + v.Code + v.Token
}

// TestDescribed goes through everything that can be done, and compares every
// body, answer and line with openapi.yaml and asyncapi.yaml.
func TestDescribed(t *testing.T) {
	d := describe(t)
	p := testkit.StartBinary(t, program.Shipped(t), config)
	base := p.URL("chat")
	people := map[string]*caller{}
	for _, name := range []string{"ann", "bob", "cid", "dan"} {
		c := &caller{&user{name: name, client: newClient(t)}, d, base}
		c.do(201, "POST", "/v1/accounts", object{"username": name, "password": "password of " + name, "name": strings.ToUpper(name), "device": "x"})
		c.token = id(t, c.do(201, "POST", "/v1/sessions", object{"username": name, "password": "password of " + name, "device": "test"}))
		people[name] = c
	}
	ann, bob := people["ann"], people["bob"]
	served(ann)
	aboutPeople(ann)
	conv, group := conversations(ann, bob)
	messages(ann, conv, group)
	overSocket(ann, bob, conv)
	events(ann)
	leaving(ann, bob, people["cid"], people["dan"], conv, group)
	refusals(ann, conv)
	d.covered()
}

// served compares the files that are served with those that are tried here.
func served(c *caller) {
	for path, want := range map[string][]byte{"/v1/openapi.yaml": api.OpenAPI, "/v1/asyncapi.yaml": api.AsyncAPI} {
		if got := c.do(200, "GET", path, nil); !bytes.Equal(got, want) {
			c.d.t.Errorf("%s is something else", path)
		}
	}
	c.do(200, "GET", "/healthz", nil)
}

func aboutPeople(ann *caller) {
	ann.do(200, "GET", "/v1/sessions", nil)
	ann.do(200, "GET", "/v1/me", nil)
	ann.do(200, "PATCH", "/v1/me", object{"name": "Ann", "about": "here", "last_seen": "everyone", "receipts": true})
	ann.do(204, "POST", "/v1/me/password", object{"old": "password of ann", "new": "password of ann"})
	ann.do(200, "GET", "/v1/users", nil, "?q=b&limit=1")
	ann.do(200, "GET", "/v1/users/{username}", nil, "bob")
	ann.do(204, "PUT", "/v1/blocks/{username}", nil, "dan")
	ann.do(200, "GET", "/v1/blocks", nil)
	ann.do(204, "DELETE", "/v1/blocks/{username}", nil, "dan")
}

func conversations(ann, bob *caller) (conv, group string) {
	t := ann.d.t
	create := object{"kind": "direct", "with": "bob"}
	conv = id(t, ann.do(201, "POST", "/v1/conversations", create))
	ann.do(200, "POST", "/v1/conversations", create)
	made := object{"kind": "group", "cid": "g1", "title": "All", "members": []string{"bob", "cid"}}
	group = id(t, ann.do(201, "POST", "/v1/conversations", made))
	ann.do(200, "POST", "/v1/conversations", made)
	ann.do(201, "POST", "/v1/conversations/{conv}/messages", object{"cid": "first", "text": "hello, all"}, group)
	ann.do(200, "GET", "/v1/conversations", nil, "?limit=1")
	ann.do(200, "GET", "/v1/conversations/{conv}", nil, group)
	ann.do(200, "PATCH", "/v1/conversations/{conv}", object{"title": "Everybody"}, group)
	ann.do(204, "PUT", "/v1/conversations/{conv}/settings", object{"muted_until": "2090-01-01T00:00:00Z", "archived": true, "pinned": true, "unread": true}, group)
	ann.do(200, "GET", "/v1/conversations/{conv}", nil, group)
	ann.do(204, "PUT", "/v1/conversations/{conv}/settings", object{"muted_until": nil, "archived": false}, group)
	ann.do(200, "GET", "/v1/conversations/{conv}/members", nil, group, "?limit=2")
	ann.do(204, "PUT", "/v1/conversations/{conv}/members/{username}", object{"role": "admin"}, group, "bob")
	code := id(t, ann.do(201, "POST", "/v1/conversations/{conv}/invite", object{"reset": false}, group))
	bob.do(200, "GET", "/v1/invites/{code}", nil, code)
	bob.do(200, "POST", "/v1/invites/{code}", nil, code)
	return conv, group
}

func messages(ann *caller, conv, group string) {
	t := ann.d.t
	const path = "/v1/conversations/{conv}/messages"
	blob := id(t, ann.do(201, "POST", "/v1/blobs", []byte("some bytes"), "?name=some.txt"))
	ann.do(200, "GET", "/v1/blobs/{blob}", nil, blob)
	sent := object{"cid": "a", "text": "with an attachment", "attachments": []string{blob}}
	ann.do(201, "POST", path, sent, conv)
	ann.do(200, "POST", path, sent, conv)
	ann.do(201, "POST", path, object{"cid": "b", "text": "an answer", "reply_to": 1}, conv)
	ann.do(201, "POST", path, object{"cid": "c", "text": "to be deleted"}, conv)
	ann.do(200, "PATCH", path+"/{seq}", object{"text": "with an attachment, edited"}, conv, "1")
	ann.do(204, "PUT", path+"/{seq}/reactions/{emoji}", nil, conv, "1", "👍")
	ann.do(200, "GET", path+"/{seq}", nil, conv, "1")
	ann.do(204, "DELETE", path+"/{seq}/reactions/{emoji}", nil, conv, "1", "👍")
	ann.do(204, "DELETE", path+"/{seq}", nil, conv, "3")
	ann.do(204, "DELETE", path+"/{seq}", nil, conv, "2", "?for=me")
	for _, q := range []string{"?limit=2", "?before=3", "?after=1", "?around=1"} {
		ann.do(200, "GET", path, nil, conv, q)
	}
	ann.do(200, "GET", path+"/{seq}/receipts", nil, group, "1", "?limit=1")
	ann.do(204, "POST", "/v1/conversations/{conv}/marks", object{"recv": 2, "read": 1}, conv)
	ann.do(204, "POST", "/v1/conversations/{conv}/typing", object{"on": true}, conv)
	ann.do(200, "GET", "/v1/search", nil, "?q=attachment&conv="+conv)
	ann.do(200, "GET", "/v1/presence", nil, "?users=bob,cid")
	ann.do(200, "GET", "/v1/export", nil)
}

// overSocket has two people talk over WebSockets, with everything that can be
// said and happen.
func overSocket(ann, bob *caller, conv string) {
	a := ann.connect()
	a.say(`{"watch":{"users":["bob"]}}`)
	b := bob.connect()
	a.until(`{"ev":{"type":"presence","user":"bob"`)
	ask := func(command, answer string, args ...any) string {
		a.say(`{"id":"q",`+command+`}`, args...)
		return a.until(`{"id":"q","` + answer + `"`)
	}
	var l line
	if err := json.Unmarshal([]byte(ask(`"send":{"conv":%q,"cid":"w1","text":"over the wire","reply_to":1}`, "ack", conv)), &l); err != nil || l.Ack == nil {
		ann.d.t.Fatal(err)
	}
	b.until(`{"ev":`)
	ask(`"send":{"conv":%q,"cid":"w1","text":"over the wire","reply_to":1}`, "ack", conv)
	ask(`"edit":{"conv":%q,"seq":%d,"text":"edited"}`, "ack", conv, l.Ack.Seq)
	ask(`"react":{"conv":%q,"seq":%d,"emoji":"🎉"}`, "ack", conv, l.Ack.Seq)
	ask(`"history":{"conv":%q,"limit":10}`, "history", conv)
	ask(`"conversations":{"limit":1}`, "conversations")
	ask(`"create":{"kind":"direct","with":"ann"}`, "conversation")
	b.say(`{"mark":{"conv":%q,"recv":%d,"read":%d}}`, conv, l.Ack.Seq, l.Ack.Seq)
	b.say(`{"typing":{"conv":%q,"on":true}}`, conv)
	a.until(`{"ev":{"type":"typing"`)
	ask(`"delete":{"conv":%q,"seq":%d,"for":"me"}`, "ack", conv, 1)
	ask(`"delete":{"conv":%q,"seq":%d}`, "ack", conv, l.Ack.Seq)
	ask(`"delete":{"conv":%q,"seq":%d}`, "error", "c_999999", 1)
	ask(`"conversations":{"limit":1}`, "conversations")
	// The last thing that b was to hear is the deletion.
	for !ann.d.events["delete"] || !ann.d.events["mark"] {
		b.until(`{"ev":`)
	}
}

// events reads them over HTTP, too.
func events(c *caller) {
	var at struct{ Epoch string }
	if err := json.Unmarshal(c.do(200, "GET", "/v1/events", nil), &at); err != nil {
		c.d.t.Fatal(err)
	}
	var page struct{ Events []event }
	if err := json.Unmarshal(c.do(200, "GET", "/v1/events", nil, "?epoch="+at.Epoch+"&after=0"), &page); err != nil || len(page.Events) < 5 {
		c.d.t.Errorf("%d events, %v", len(page.Events), err)
	}
	for _, e := range page.Events {
		c.d.events[e.Type] = true
	}
	c.do(200, "GET", "/v1/events", nil, "?epoch=another&after=0")
}

// leaving takes things away again, and watches it over a socket.
func leaving(ann, bob, cid, dan *caller, conv, group string) {
	b := bob.connect()
	ann.do(204, "PUT", "/v1/conversations/{conv}/members/{username}", object{"role": "member"}, group, "dan")
	b.until(`{"ev":`)
	ann.do(204, "DELETE", "/v1/conversations/{conv}/members/{username}", nil, group, "dan")
	ann.do(204, "DELETE", "/v1/conversations/{conv}/invite", nil, group)
	cid.do(204, "DELETE", "/v1/conversations/{conv}", nil, group)
	ann.do(204, "DELETE", "/v1/conversations/{conv}", nil, conv)
	dan.do(204, "DELETE", "/v1/sessions/{session}", nil, "current")
	cid.do(204, "DELETE", "/v1/me", object{"password": "password of cid"})
	for !ann.d.events["member"] {
		b.until(`{"ev":`)
	}
	bob.do(204, "DELETE", "/v1/sessions/{session}", nil, "current")
	b.until(`{"close":`)
}

// refusals are answers that are errors.
func refusals(ann *caller, conv string) {
	const path = "/v1/conversations/{conv}/messages"
	ann.do(400, "POST", path, object{"text": "without a cid"}, conv)
	ann.do(404, "GET", path, nil, "c_999999")
	ann.do(409, "POST", "/v1/accounts", object{"username": "ann", "password": "password of ann"})
	ann.do(413, "POST", path, []byte(`{"cid":"big","text":"`+strings.Repeat("x", 200_000)+`"}`), conv)
	nobody := &caller{&user{client: ann.client}, ann.d, ann.base}
	nobody.do(401, "GET", "/v1/me", nil)
}
