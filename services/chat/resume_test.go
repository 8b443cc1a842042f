package chat_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A client whose connection breaks again and again, while others write, sees
// every event once and in order: in the replay, while it is held back, or live.
func TestBrokenConnectionsMissNothing(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv, notes := a.with("bob"), a.with("alice")
	b.connect()
	epoch, cursor := epochOf(b), cursorOf(b)
	const frames, perFrame = 40, 10
	written := make(chan struct{})
	go func() {
		defer close(written)
		s := a.connect()
		for f := range frames {
			frame := ""
			for i := range perFrame {
				frame += fmt.Sprintf(`{"id":1,"send":{"conv":%q,"cid":"%d-%d","text":"x"}}`+"\n", conv, f, i)
				frame += fmt.Sprintf(`{"id":1,"send":{"conv":%q,"cid":"%d-%d","text":"not for bob"}}`+"\n", notes, f, i)
			}
			s.send("%s", frame)
			for range 2 * perFrame {
				s.next("ack", isAck)
			}
		}
	}()
	var seq int64
	connections := 0
	for seq < frames*perFrame {
		s, hello := b.resume(epoch, cursor)
		if !hello.Connect.Resumed {
			t.Fatalf("%s", hello.raw)
		}
		connections++
		synced := false
		for range 1 + rand.IntN(60) {
			if seq == frames*perFrame {
				break
			}
			l := s.next("event or synced", any1)
			switch {
			case l.Synced != nil:
				if synced || l.Synced.Cursor < cursor {
					t.Fatalf("after %d: %s", cursor, l.raw)
				}
				synced, cursor = true, l.Synced.Cursor
			case l.Ev != nil && l.Ev.Type == "presence": // not stored
			case l.Ev == nil:
				t.Fatalf("%s", l.raw)
			case l.Ev.Cursor <= cursor:
				t.Fatalf("after %d: %s", cursor, l.raw)
			default:
				cursor = l.Ev.Cursor
				if l.Ev.Type != "message" {
					continue
				}
				if seq++; l.Ev.Seq != seq || l.Ev.Conv != conv {
					t.Fatalf("seq %d expected: %s", seq, l.raw)
				}
			}
		}
		_ = s.conn.NetConn().Close()
	}
	<-written
	t.Logf("%d connections for %d messages", connections, seq)
}
