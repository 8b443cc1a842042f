package photos

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/porticod/portico/services/photos/store"
)

// TestEventsTravel: who wants an event is found out on another node as here.
func TestEventsTravel(t *testing.T) {
	post := store.Status{ID: 7, Author: 2, Visibility: store.Private, Reply: true, Mentions: []int64{3}, Tags: []string{"sea"}, Media: make([]store.Media, 1)}
	for _, ev := range []event{
		{kind: eventUpdate, status: post}, {kind: eventEdit, status: post}, {kind: eventDelete, status: store.Status{ID: 8, Visibility: store.Public}},
		{kind: eventNotice, notice: store.Notice{ID: 1, User: 2, Kind: store.NoticeMention, Actor: 3, Status: 4}},
		{kind: eventFilters, user: 5}, {kind: eventJobs}, {kind: eventLost},
		{kind: eventCalls, calls: []calls{{User: 1, N: 2}, {App: 3, N: 1}, {From: netip.MustParsePrefix("192.0.2.0/24"), N: 4}}},
	} {
		data, err := encodeEvent(ev)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeEvent(data)
		if err != nil || !reflect.DeepEqual(got, ev) {
			t.Errorf("%s: %+v, %v instead of %+v", data, got, err, ev)
		}
	}
}

// FuzzEvents: whatever comes over the bus is an event that can be told, or an
// error.
func FuzzEvents(f *testing.F) {
	for _, text := range []string{`{"kind":1,"post":{"id":1}}`, `{"kind":4}`, `{"kind":3,"post":null}`, `{"kind":99}`, `[`, `{"kind":-1}`, `{"kind":5,"user":1}`, `{"kind":8,"calls":[{"n":-1},{"from":"::/0"}]}`} {
		f.Add([]byte(text))
	}
	l := newListener(owner{user: 1})
	if err := l.subscribe(stream{name: "public"}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ev, err := decodeEvent(data)
		if err != nil {
			return
		}
		l.wants(ev)
		if _, err := encodeEvent(ev); err != nil {
			t.Error(err)
		}
	})
}
