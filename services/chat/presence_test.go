package chat_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func isPresence(user string, online bool) func(line) bool {
	return func(l line) bool {
		return l.Ev != nil && l.Ev.Type == "presence" && l.Ev.User == user && l.Ev.Online == online
	}
}

func TestTyping(t *testing.T) {
	w := start(t, nil)
	a, b, eve := w.join("alice"), w.join("bob"), w.join("eve")
	id := a.with("bob")
	a.say(id, "1", "x")
	sa, sb := a.connect(), b.connect()
	begun := time.Now()
	sb.send(`{"typing":{"conv":%q,"on":true}}`, id)
	if ev := sa.next("typing", isType("typing")).Ev; ev.Cursor != 0 || ev.Conv != id || ev.From != "bob" || !ev.On {
		t.Errorf("%+v", ev)
	}
	b.call("POST", "/v1/conversations/"+id+"/typing", `{"on":true}`, 204, nil) // too soon
	b.call("POST", "/v1/conversations/"+id+"/typing", `{"on":false}`, 204, nil)
	if ev := sa.next("typing", isType("typing")).Ev; ev.On && time.Since(begun) < 3*time.Second {
		t.Error("twice within three seconds")
	}
	eve.call("POST", "/v1/conversations/"+id+"/typing", `{"on":true}`, 404, nil)
	if got := a.events(epochOf(a), cursorOf(a)-1, ""); strings.Contains(fmt.Sprint(got), "typing") {
		t.Errorf("typing is stored: %+v", got)
	}
}

func TestPresence(t *testing.T) {
	w := start(t, nil)
	const grace = 300 * time.Millisecond
	w.chat.SetPresenceGrace(grace)
	a, b, c, eve := w.join("alice"), w.join("bob"), w.join("carol"), w.join("eve")
	a.say(a.with("bob"), "1", "x")
	a.group("g", "Group", "carol")
	sa := a.connect()
	sb := b.connect()
	sa.next("bob online", isPresence("bob", true))
	sb.next("alice online", isPresence("alice", true)) // told on arrival
	sa.send(`{"id":5,"watch":{"users":["carol","eve","nobody"]}}`)
	sa.next("carol offline", isPresence("carol", false))
	sa.next("eve offline, as far as alice may know", isPresence("eve", false))
	sc := c.connect()
	sa.next("carol online", isPresence("carol", true))
	eve.connect()

	// A short absence is none.
	left := time.Now()
	_ = sb.conn.NetConn().Close()
	b.connect()
	short := time.Since(left) < grace // it is not on a busy machine
	_ = sc.conn.NetConn().Close()
	l := sa.next("carol offline", func(l line) bool {
		return l.Ev != nil && l.Ev.Type == "presence" && (short || l.Ev.User != "bob")
	})
	if l.Ev.User != "carol" || l.Ev.Online || l.Ev.LastSeen == "" {
		t.Errorf("%s", l.raw)
	}
	states := map[string]event{}
	get := func(p *person) string {
		states = map[string]event{}
		p.call("GET", "/v1/presence?users=alice,bob,carol,eve,nobody", "", 200, &states)
		got := ""
		for _, name := range []string{"alice", "bob", "carol", "eve"} {
			got += fmt.Sprintf("%s:%v:%v ", name, states[name].Online, states[name].LastSeen != "")
		}
		return got
	}
	if got := get(a); got != "alice:true:true bob:true:true carol:false:true eve:false:false " && got != "alice:false:false bob:true:true carol:false:true eve:false:false " {
		t.Error(got)
	}
	b.call("PATCH", "/v1/me", `{"last_seen":"nobody"}`, 200, nil)
	c.call("PATCH", "/v1/me", `{"last_seen":"contacts"}`, 200, nil)
	if get(a); states["bob"].Online || states["bob"].LastSeen != "" || states["carol"].LastSeen != "" {
		t.Errorf("%+v", states)
	}
	b.call("PATCH", "/v1/me", `{"last_seen":"contacts"}`, 200, nil)
	if get(a); !states["bob"].Online {
		t.Errorf("%+v", states)
	}
	a.call("PUT", "/v1/blocks/bob", "", 204, nil)
	if get(a); states["bob"].Online {
		t.Errorf("blocked, and %+v", states)
	}
	b.call("PATCH", "/v1/me", `{"last_seen":"friends"}`, 400, nil)
	a.call("GET", "/v1/presence?users="+strings.Repeat("x,", 101), "", 400, nil)
}

func TestReceiptsMayBeKeptToOneself(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	id := a.with("bob")
	a.say(id, "1", "x")
	b.call("PATCH", "/v1/me", `{"receipts":false}`, 200, nil)
	sa, sb := a.connect(), b.connect()
	epoch, at := epochOf(a), cursorOf(a)
	b.call("POST", "/v1/conversations/"+id+"/marks", `{"read":1}`, 204, nil)
	if ev := sa.next("mark", isMark).Ev; ev.Recv != 1 || ev.Read != 0 {
		t.Errorf("alice hears %+v", ev)
	}
	if ev := sb.next("mark", isMark).Ev; ev.Read != 1 {
		t.Errorf("bob's own device hears %+v", ev)
	}
	for p, read := range map[*person]int64{a: 0, b: 1} {
		if got := p.events(epoch, at, ""); len(got.Events) != 1 || got.Events[0].Read != read {
			t.Errorf("%s: %+v", p.name, got.Events)
		}
	}
}
