package chat_test

import (
	"fmt"
	"sync"
	"testing"
)

func TestTwoPeopleTalk(t *testing.T) {
	w := start(t, nil)
	var alice, bob struct {
		User  struct{ Username, Name string }
		Token string
	}
	nobody := &person{w: w}
	nobody.call("POST", "/v1/accounts", `{"username":"Alice","password":"correct horse","name":"Alice A."}`, 201, &alice)
	nobody.call("POST", "/v1/accounts", `{"username":"bob","password":"battery staple"}`, 201, nil)
	nobody.call("POST", "/v1/sessions", `{"username":"bob","password":"battery staple","device":"phone"}`, 201, &bob)
	if alice.User.Username != "alice" || alice.User.Name != "Alice A." || bob.Token == "" {
		t.Fatalf("%+v %+v", alice, bob)
	}
	a, b := &person{w, "alice", alice.Token}, &person{w, "bob", bob.Token}
	a1, a2, b1 := a.connect(), a.connect(), b.connect()

	conv := a.with("bob")
	a1.send(`{"id":2,"send":{"conv":%q,"cid":"m1","text":"hello <b>"}}`, conv)
	if got := a1.next("ack", isAck); string(got.ID) != "2" || got.Ack.Seq != 1 || got.Ack.Dup || got.Ack.CID != "m1" {
		t.Errorf("ack: %s", got.raw)
	}
	for name, s := range map[string]*socket{"the sender's other": a2, "the receiver's": b1} {
		if e := s.next("message", isMessage).Ev; e.Text != "hello <b>" || e.From != "alice" || e.Seq != 1 || e.Conv != conv {
			t.Errorf("%s connection got %+v", name, e)
		}
	}
	// The conversation shows up before its first message.
	b2, _ := b.resume(epochOf(b), 0)
	if l := b2.next("event", isEvent); l.Ev.Type != "conversation" || l.Ev.Conversation.ID != conv {
		t.Errorf("first event of bob: %s", l.raw)
	}
	reply := b.say(conv, "m1", "hi alice") // the same cid of another sender
	if reply.Seq != 2 || reply.Dup {
		t.Errorf("reply: %+v", reply)
	}
	if e := a2.next("message", isMessage).Ev; e.Text != "hi alice" || e.From != "bob" {
		t.Errorf("reply as pushed: %+v", e)
	}

	a1.send(`{"mark":{"conv":%q,"recv":2,"read":2}}`, conv)
	if e := b1.next("mark", isMark).Ev; e.From != "alice" || e.Read != 2 || e.Recv != 2 {
		t.Errorf("mark: %+v", e)
	}
	var h struct {
		Messages []event
		More     bool
	}
	b.call("GET", "/v1/conversations/"+conv+"/messages", "", 200, &h)
	if len(h.Messages) != 2 || h.More || h.Messages[0].Text != "hello <b>" || h.Messages[1].Seq != 2 {
		t.Errorf("history: %+v", h)
	}
	var list struct {
		Conversations []struct {
			ID      string
			Unread  int64
			LastSeq int64 `json:"last_seq"`
			Read    int64
			Members []string
			Last    event
		}
	}
	a.call("GET", "/v1/conversations", "", 200, &list)
	if len(list.Conversations) != 1 {
		t.Fatalf("list: %+v", list)
	}
	if c := list.Conversations[0]; c.ID != conv || c.Unread != 0 || c.LastSeq != 2 || c.Read != 2 || c.Last.Text != "hi alice" || fmt.Sprint(c.Members) != "[alice bob]" {
		t.Errorf("list: %+v", c)
	}
}

// epochOf reads the log's epoch over HTTP.
func epochOf(p *person) string {
	var e struct{ Epoch string }
	p.call("GET", "/v1/events", "", 200, &e)
	return e.Epoch
}

func TestAcknowledgedMessagesSurviveAndResume(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	s, hello := b.resume(epochOf(b), 0)
	epoch := hello.Connect.Epoch
	a.say(conv, "one", "1")
	seen := s.next("message", isMessage).Ev.Cursor
	for i := range 20 {
		a.say(conv, fmt.Sprint("later", i), fmt.Sprint(i))
	}
	w.reopen()
	s, hello = b.resume(epoch, seen)
	if !hello.Connect.Resumed || hello.Connect.Reset || hello.Connect.Epoch != epoch {
		t.Fatalf("after the restart: %s", hello.raw)
	}
	last := seen
	for i := range 20 {
		l := s.next("event or synced", any1)
		if l.Ev == nil || l.Ev.Text != fmt.Sprint(i) || l.Ev.Seq != int64(i+2) || l.Ev.Cursor <= last {
			t.Fatalf("replayed %d after %d: %s", i, last, l.raw)
		}
		last = l.Ev.Cursor
	}
	if l := s.next("synced", any1); l.Synced == nil || l.Synced.Cursor < last {
		t.Errorf("after the replay: %s", l.raw)
	}
	if again := a.say(conv, "one", "1"); !again.Dup || again.Seq != 1 {
		t.Errorf("the same message after the restart: %+v", again)
	}
	if next := a.say(conv, "new", "x"); next.Seq != 22 {
		t.Errorf("seq goes on with %d", next.Seq)
	}
}

func TestDuplicatesUnderConcurrency(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	s := b.connect()
	var wg sync.WaitGroup
	acks := make([]ack, 32)
	for i := range acks {
		wg.Go(func() { acks[i] = a.say(conv, fmt.Sprint("cid", i%4), fmt.Sprint("text", i%4)) })
	}
	wg.Wait()
	first, seqs := map[string]int{}, map[string]int64{}
	for _, got := range acks {
		if !got.Dup {
			first[got.CID]++
		}
		if seqs[got.CID] == 0 {
			seqs[got.CID] = got.Seq
		}
		if seqs[got.CID] != got.Seq {
			t.Errorf("%s was answered with seq %d and %d", got.CID, seqs[got.CID], got.Seq)
		}
	}
	for cid, n := range first {
		if n != 1 {
			t.Errorf("%s was new %d times", cid, n)
		}
	}
	a.say(conv, "end", "end")
	for n := int64(1); ; n++ {
		e := s.next("message", isMessage).Ev
		if e.Seq != n {
			t.Fatalf("event %d has seq %d", n, e.Seq)
		}
		if e.Text == "end" {
			if n != 5 {
				t.Errorf("%d events for 4 messages and the end", n)
			}
			break
		}
	}
	if status, body := a.do("POST", "/v1/conversations/"+conv+"/messages", `{"cid":"cid0","text":"other"}`); status != 409 {
		t.Errorf("another text under the same cid: %d %s", status, body)
	}
}

func TestThousandMessagesInOrder(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	from, to := a.connect(), b.connect()
	for i := 0; i < 1000; i += 50 {
		frame := ""
		for j := i; j < i+50; j++ {
			frame += fmt.Sprintf(`{"id":%d,"send":{"conv":%q,"cid":"c%d","text":"message %d"}}`+"\n", j, conv, j, j)
		}
		from.send("%s", frame)
	}
	var last int64
	for i := range 1000 {
		if got := from.next("ack", isAck); got.Ack.Seq != int64(i+1) || string(got.ID) != fmt.Sprint(i) {
			t.Fatalf("ack %d: %s", i, got.raw)
		}
		e := to.next("message", isMessage).Ev
		if e.Seq != int64(i+1) || e.Text != fmt.Sprint("message ", i) || e.Cursor <= last {
			t.Fatalf("event %d: %+v", i, e)
		}
		last = e.Cursor
	}
}
