package chat

import (
	"testing"

	"github.com/porticod/portico/services/chat/store"
)

// The local bus never holds up who publishes: what does not fit is lost, what is
// left is in order.
func TestLocalBusIsBounded(t *testing.T) {
	b := newLocalBus()
	begun, release, all := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var got []int64
	stop := b.Subscribe(func(ns []Notice) {
		for _, n := range ns {
			if n.Cursor == 1 {
				close(begun)
				<-release
			}
			if got = append(got, n.Cursor); n.Cursor == maxBusNotices+1 {
				close(all)
			}
		}
	})
	b.Publish(Notice{Cursor: 1})
	<-begun
	for i := range 2 * maxBusNotices {
		b.Publish(Notice{Cursor: int64(i + 2)})
	}
	close(release)
	<-all
	stop()
	stop() // harmless
	b.Publish(Notice{Cursor: 1 << 40})
	if len(got) != maxBusNotices+1 {
		t.Errorf("%d notices came", len(got))
	}
	for i, cursor := range got {
		if cursor != int64(i+1) {
			t.Fatalf("%d at place %d", cursor, i)
		}
	}
	text := string(make([]byte, maxBusBytes/4))
	q := &busQueue{wake: make(chan struct{}, 1)}
	for range 10 {
		q.put(Notice{Events: []store.Event{{Text: text}}})
	}
	if len(q.waiting) != 3 {
		t.Errorf("%d large notices wait", len(q.waiting))
	}
}

// A hub that hears of something twice, late or not at all hands out each event
// at most once.
func TestHubTakesEachPositionOnce(t *testing.T) {
	c, tr := newTestChat(t), &fakeTransport{}
	s := liveSession(c, tr)
	event := func(cursor int64) Notice {
		return Notice{Prev: cursor - 1, Cursor: cursor, Events: []store.Event{{Cursor: cursor, Type: store.Message, Audience: []int64{1}}}}
	}
	for _, cursor := range []int64{1, 2, 2, 1, 3} {
		c.hub.deliver(event(cursor))
	}
	if at := c.hub.position(); at != 3 {
		t.Errorf("at %d", at)
	}
	c.hub.deliver(event(5)) // 4 is lost; this chat has nothing in the background
	c.hub.deliver(event(6))
	<-s.done
	items, code := tr.written()
	if code != closeResume {
		t.Errorf("closed with %d", code)
	}
	var last int64
	for _, it := range items {
		if it.kind == itemEvent {
			if it.cursor != last+1 {
				t.Errorf("%d after %d", it.cursor, last)
			}
			last = it.cursor
		}
	}
}
