package chat_test

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// Most wake-ups are lost, the last one too. Everybody gets every message once
// and in order all the same.
func TestLostWakeUpsLoseNoMessage(t *testing.T) {
	w := start(t, nil)
	var lossy atomic.Bool
	var n atomic.Int64
	w.chat.LoseNotices(func() bool { return lossy.Load() && n.Add(1)%5 != 0 })
	a, b := w.join("alice"), w.join("bob")
	id := a.with("bob")
	sa := a.connect()
	a.say(id, "first", "x")
	sa.next("the first message, handed out", isMessage) // else bob might get it, too
	sb := b.connect()
	lossy.Store(true)
	const messages = 52
	for i := range messages {
		a.say(id, fmt.Sprint(i), "x")
	}
	var last int64
	for i := range messages {
		ev := sb.next("message", isMessage).Ev
		if ev.Seq != int64(i+2) || ev.Cursor <= last {
			t.Fatalf("got seq %d at %d, not %d after %d", ev.Seq, ev.Cursor, i+2, last)
		}
		last = ev.Cursor
	}
}
