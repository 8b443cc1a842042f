package chat

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/services/chat/store"
)

func wireNotices() []Notice {
	crowd := make([]int64, 1000)
	for i := range crowd {
		crowd[i] = int64(3*i + 1)
	}
	last := &store.Event{Cursor: 8, Type: store.Message, Text: "last", From: store.Person{ID: 1, Username: "alice"}}
	return []Notice{
		{Signal: json.RawMessage(`{"type":"typing"}`), Audience: []int64{7, 3}},
		{Prev: 8, Cursor: 10, Events: []store.Event{
			{Cursor: 9, Type: store.Message, Conv: 4, Seq: 2, From: store.Person{ID: 1, Username: "alice"}, At: 1000, Text: "<h&i>\u2028", CID: "c",
				ReplyTo: 1, Attachments: []store.Blob{{ID: "b", Hash: "h", Name: "n", Size: 3}}, Audience: crowd},
			{Cursor: 10, Type: store.Reaction, Conv: 4, Seq: 3, Target: 2, Emoji: "👍", On: true, Audience: crowd},
		}},
		{Prev: 10, Cursor: 12, Events: []store.Event{
			{Cursor: 11, Type: store.Membership, Conv: 4, User: store.Person{ID: 2, Username: "bob"}, Action: "added", Role: "admin", Audience: []int64{2}},
			{Cursor: 12, Type: store.Conversation, Conv: 5, Summary: &store.Summary{ID: 5, Kind: "group", Members: []string{"a"}, Last: last, Unread: 3}, Audience: []int64{2}},
			{Cursor: 12, Type: store.Mark, Conv: 5, Recv: 3, Read: 2, EditedAt: 4, Deleted: true, Audience: []int64{1 << 50, -4}},
		}},
		{Prev: 12, Cursor: 20, Bare: true},
	}
}

// What one node says is what another hears, in as few messages as fit.
func TestNoticesOnTheWire(t *testing.T) {
	want := wireNotices()
	messages, err := encodeNotices(want)
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	if n := len(messages[0]); n > 4000 {
		t.Errorf("%d bytes", n)
	}
	got, err := decodeNotices(messages[0])
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v: %s", err, messages[0])
	}
	if a, b := got[1].Events[0].Audience, got[1].Events[1].Audience; &a[0] != &b[0] {
		t.Error("events for the same people have two audiences")
	}
}

// Much is cut into several messages; what is too large for one only says so.
func TestLargeNoticesOnTheWire(t *testing.T) {
	text := strings.Repeat("\u0001", 50<<10) // six bytes each in JSON
	var ns []Notice
	for i := range 40 {
		n := Notice{Prev: int64(i), Cursor: int64(i + 1)}
		for range 1 + i%3 {
			n.Events = append(n.Events, store.Event{Cursor: int64(i + 1), Text: text, Audience: []int64{1}})
		}
		ns = append(ns, n)
	}
	messages, err := encodeNotices(ns)
	if err != nil {
		t.Fatal(err)
	}
	at, bare := int64(0), 0
	for _, m := range messages {
		if len(m) > bus.MaxMessage {
			t.Errorf("a message of %d bytes", len(m))
		}
		got, err := decodeNotices(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range got {
			if n.Prev != at || n.Cursor != at+1 || n.Bare != (len(n.Events) == 0) {
				t.Fatalf("%d to %d, %d events, after %d", n.Prev, n.Cursor, len(n.Events), at)
			}
			if at++; n.Bare {
				bare++
			}
		}
	}
	if at != 40 || bare != 26 { // two or three texts
		t.Errorf("up to %d, %d without events", at, bare)
	}
}

func TestBrokenWireMessages(t *testing.T) {
	for _, bad := range []string{
		``, `{}`, `{"v":2}`, `{"v":1,"n":[{"s":{},"a":0}]}`, `{"v":1,"n":[{"e":[{"a":0}]}],"a":[""]}`,
		`{"v":1,"n":[{"e":[{"f":{},"a":-1}]}],"a":[""]}`, `{"v":1,"a":["gA=="]}`,
	} {
		if ns, err := decodeNotices([]byte(bad)); err == nil {
			t.Errorf("%s is taken for %+v", bad, ns)
		}
	}
}

func FuzzDecodeNotices(f *testing.F) {
	messages, err := encodeNotices(wireNotices())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(messages[0])
	f.Fuzz(func(t *testing.T, data []byte) {
		ns, err := decodeNotices(data)
		if err != nil {
			return
		}
		again, err := encodeNotices(ns)
		if err != nil {
			t.Fatal(err)
		}
		var back []Notice
		for _, m := range again {
			some, err := decodeNotices(m)
			if err != nil {
				t.Fatal(err)
			}
			back = append(back, some...)
		}
		if len(back) != len(ns) {
			t.Errorf("%s became %s", fmt.Sprint(ns), fmt.Sprint(back))
		}
	})
}
