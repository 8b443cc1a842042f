package chat

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/bus"
)

// A tap is a wire whose messages a test hands on, or loses.
type tap struct {
	bus.Bus
	t    *testing.T
	said []presenceMessage
}

func (w *tap) Others() bool { return true }
func (w *tap) Publish(_ string, data []byte) {
	var m presenceMessage
	if err := json.Unmarshal(data, &m); err != nil {
		w.t.Error(err)
	}
	w.said = append(w.said, m)
}

func (w *tap) take() []presenceMessage {
	said := w.said
	w.said = nil
	return said
}

// A node that missed something asks for everything, and knows it then; who was on a
// node that is silent is gone.
func TestPresenceSurvivesLosses(t *testing.T) {
	now := time.Unix(1000, 0)
	wireA, wireB := &tap{t: t}, &tap{t: t}
	a, b := newRemotes(wireA, "x"), newRemotes(wireB, "x")
	online := map[int64]struct{}{1: {}}
	hand := func(ms ...presenceMessage) (asked bool) {
		for _, m := range ms {
			b.hear(m, now)
		}
		for _, m := range wireB.take() {
			asked = a.hear(m, now) || asked
		}
		return asked
	}
	knows := func(want ...int64) {
		t.Helper()
		got := b.of([]int64{1, 2, 3, 4})
		if !slices.Equal(got, want) {
			t.Errorf("knows of %v, not %v", got, want)
		}
	}
	a.beat(now, "")
	if !hand(wireA.take()...) {
		t.Fatal("a node that is new is not asked who is there")
	}
	a.sayAll(online)
	hand(wireA.take()...)
	knows(1)
	a.tell(2, true, now)
	if hand(wireA.take()...) {
		t.Error("asked for everything though nothing is missing")
	}
	knows(1, 2)
	a.tell(1, false, now)
	wireA.take() // lost
	a.tell(3, true, now)
	now = now.Add(2 * wantEvery)
	if !hand(wireA.take()...) {
		t.Error("a loss is not noticed")
	}
	knows(1, 2, 3)
	a.sayAll(map[int64]struct{}{2: {}, 3: {}})
	hand(wireA.take()...)
	knows(2, 3)
	var off []int64
	for _, ch := range b.taken() {
		if !ch.Online {
			off = append(off, ch.User)
		}
	}
	if !slices.Equal(off, []int64{1}) {
		t.Errorf("gone: %v", off)
	}
	b.beat(now.Add(nodeLife-1), "")
	knows(2, 3)
	b.beat(now.Add(nodeLife), "")
	knows()
}

// Everything may come in several parts; a change amid them has it asked for again.
func TestPresenceInParts(t *testing.T) {
	now := time.Unix(1000, 0)
	wireA, wireB := &tap{t: t}, &tap{t: t}
	a, b := newRemotes(wireA, "x"), newRemotes(wireB, "x")
	online := map[int64]struct{}{}
	for i := range int64(2*packUsers + 1) {
		online[i+1] = struct{}{}
	}
	a.sayAll(online)
	parts := wireA.take()
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, m := range parts {
		if got := len(b.of([]int64{1, 2, 3})); i < 3 && got != 0 {
			t.Errorf("%d known before the last part", got)
		}
		b.hear(m, now)
	}
	if got := len(b.on); got != len(online) {
		t.Errorf("%d of %d", got, len(online))
	}
	b.hear(parts[0], now)
	a.tell(1, false, now)
	b.hear(wireA.take()[0], now)
	b.hear(parts[1], now.Add(time.Minute)) // of an older state
	if b.has(1) || !b.has(2) {
		t.Error("an older state is believed")
	}
	if said := wireB.take(); len(said) == 0 || said[len(said)-1].Want != a.self {
		t.Errorf("%+v", said)
	}
	for _, bad := range []presenceMessage{{}, {Node: "x", All: &presencePart{Users: []byte{0x80}, First: true, Last: true}}, {Node: b.self, All: &presencePart{First: true}}} {
		b.hear(bad, now)
	}
	for range 2 * maxNodes {
		b.hear(presenceMessage{Node: newRemotes(wireA, "x").self}, now)
	}
	if len(b.nodes) > maxNodes {
		t.Errorf("%d nodes", len(b.nodes))
	}
}
