package sqlstore

import (
	"reflect"
	"testing"

	"github.com/porticod/portico/services/photos/store"
)

// TestEventsTravel: who wants an event is found out on another node as here.
func TestEventsTravel(t *testing.T) {
	post := store.Status{ID: 7, Author: 2, Visibility: store.Private, Reply: true, Mentions: []int64{3}, Tags: []string{"sea"}, Media: make([]store.Media, 1)}
	want := []store.Event{
		{Kind: store.StatusAdded, Status: post}, {Kind: store.StatusEdited, Status: post},
		{Kind: store.StatusDeleted, Status: store.Status{ID: 8, Visibility: store.Public}},
		{Kind: store.Noticed, Notice: store.Notice{ID: 1, User: 2, Kind: store.NoticeMention, Actor: 3, Status: 4}},
		{Kind: store.FiltersChanged, User: 5},
	}
	data, err := encodeEvents(want)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i].At = 9
	}
	if got := decodeEvents(9, data); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v instead of %+v", data, got, want)
	}
}

// FuzzEvents: whatever stands in a row is events that can be told, or is left out.
func FuzzEvents(f *testing.F) {
	for _, text := range []string{`[{"kind":1,"post":{"id":1}}]`, `[{"kind":4}]`, `[{"kind":3,"post":null}]`, `[{"kind":99}]`, `[`, `{}`, `[{"kind":-1}]`, `[{"kind":5,"user":1},{"kind":4,"notice":{}}]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list := decodeEvents(1, data)
		again, err := encodeEvents(list)
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeEvents(1, again); len(got) != len(list) {
			t.Errorf("%s becomes %s", data, again)
		}
	})
}
