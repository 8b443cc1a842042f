package photos

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// tape keeps what is written.
type tape struct {
	thumps int
	told   []string
}

func (k *tape) write(stream, string, string) error { return nil }
func (k *tape) thump() error                       { k.thumps++; return nil }
func (k *tape) tell(text string) error             { k.told = append(k.told, text); return nil }
func (k *tape) close(int, string)                  {}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &tape{}
		l := &listening{listener: newListener(owner{Addr: "x"}), p: &Photos{}, out: k}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
		defer cancel()
		if code := l.run(ctx); code != endGone {
			t.Errorf("ended with %d", code)
		}
		if k.thumps != 3 {
			t.Errorf("%d heartbeats in 50 seconds", k.thumps)
		}
	})
}

// TestSlow: who does not take events is cut off, without holding up others.
func TestSlow(t *testing.T) {
	p := &Photos{hub: newHub()}
	slow, other := newListener(owner{Addr: "a"}), newListener(owner{Addr: "b"})
	for _, l := range []*listener{slow, other} {
		if err := l.subscribe(stream{name: "public"}); err != nil {
			t.Fatal(err)
		}
		if err := p.hub.join(l); err != nil {
			t.Fatal(err)
		}
	}
	for range maxQueue + 1 {
		p.tell([]store.Event{{Kind: store.StatusAdded, Status: store.Status{Visibility: store.Public}}})
		other.take()
	}
	if queue, _, code := slow.take(); code != endSlow || len(queue) != maxQueue {
		t.Errorf("code %d with %d events", code, len(queue))
	}
	if _, _, code := other.take(); code != 0 {
		t.Errorf("the other one ends with %d", code)
	}
	p.hub.close(endRestart)
	if _, _, code := slow.take(); code != endSlow {
		t.Errorf("the first reason counts, not %d", code)
	}
	if p.hub.join(newListener(owner{})) == nil {
		t.Error("somebody joined a hub that is closed")
	}
}

func TestHubLimits(t *testing.T) {
	h := newHub()
	var all []*listener
	for user := int64(1); ; user++ {
		l := newListener(owner{User: user})
		if h.join(l) != nil {
			break
		}
		all = append(all, l)
	}
	if len(all) != maxListeners {
		t.Errorf("%d listen", len(all))
	}
	for _, l := range all {
		h.leave(l)
		h.leave(l)
	}
	if len(h.all) != 0 {
		t.Errorf("%d are left behind", len(h.all))
	}
	for range maxListenersAddr {
		if err := h.join(newListener(owner{Addr: "a"})); err != nil {
			t.Fatal(err)
		}
	}
	if h.join(newListener(owner{Addr: "a"})) == nil {
		t.Error("one address has too many")
	}
	l := newListener(owner{})
	for i := range maxStreams {
		if err := l.subscribe(stream{name: "hashtag", arg: string(rune('a' + i))}); err != nil {
			t.Fatal(err)
		}
	}
	if l.subscribe(stream{name: "public"}) == nil {
		t.Error("one connection has too many streams")
	}
}

// FuzzCommand: whatever a client sends, it subscribes to what there is for
// anybody, or is told why not.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{
		`{"type":"subscribe","stream":"public"}`, `{"type":"subscribe","stream":"user"}`, `{"type":"unsubscribe","stream":"hashtag","tag":"a"}`,
		`{"type":"subscribe","stream":"list","list":1}`, `{"type":"subscribe","stream":"list","list":"1"}`, `{"type":1}`, `[`, `null`, `{"list":{}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		k := &tape{}
		l := &listening{listener: newListener(owner{}), p: &Photos{}, out: k}
		l.command(t.Context(), frame)
		for _, text := range k.told {
			var e entity.StreamError
			if err := json.Unmarshal([]byte(text), &e); err != nil || e.Error == "" || e.Status < 400 || e.Status >= 500 {
				t.Errorf("%q is told %q", frame, text)
			}
		}
		for _, s := range l.subscribed() {
			if s.wants(store.Event{Kind: store.Noticed}, 1) || s.list != 0 {
				t.Errorf("%q subscribes anybody to %v", frame, s)
			}
		}
	})
}
