package chat_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/porticod/portico/services/chat"
)

// handed is a connection on its way from one instance to the next.
type handed struct {
	file   *os.File
	record []byte
}

func freeze(t *testing.T, c *chat.Chat, patience time.Duration) (all []handed) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n := c.Freeze(ctx, func(fd *os.File, record []byte) { all = append(all, handed{fd, record}) })
	if n != len(all) {
		t.Errorf("%d frozen, %d given", n, len(all))
	}
	return all
}

func (h handed) thaw(t *testing.T, c *chat.Chat) {
	t.Helper()
	conn, err := net.FileConn(h.file)
	if err != nil {
		t.Fatal(err)
	}
	_ = h.file.Close()
	if err := c.Thaw(conn, h.record); err != nil {
		t.Fatal(err)
	}
}

// A connection goes on in another instance over the same store, and its client
// sees nothing of it: no close, no second connect, each event once.
func TestFrozenConnectionsGoOnElsewhere(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	sender, reader := a.connect(), b.connect()
	sender.send(`{"id":2,"send":{"conv":%q,"cid":"1","text":"before"}}`, conv)
	sender.next("ack", isAck)
	first := reader.next("message", isMessage).Ev
	reader.send(`{"watch":{"users":["alice"]}}` + "\n" + `not json`)
	reader.next("complaint", isErr)

	all := freeze(t, w.chat, late)
	if len(all) != 2 {
		t.Fatalf("%d of 2 connections were frozen", len(all))
	}
	waitTracked(t, w, 0)
	a.say(conv, "2", "nobody is connected")                                   // it is replayed
	sender.send(`{"id":3,"send":{"conv":%q,"cid":"3","text":"early"}}`, conv) // it waits in the kernel
	w.reopen()
	for _, h := range all {
		h.thaw(t, w.chat)
	}
	for seq, at := int64(2), first.Cursor; seq <= 3; seq++ {
		e := reader.next("message", isMessage).Ev
		if e.Seq != seq || e.Cursor <= at {
			t.Errorf("message %d at %d after %d, not %d", e.Seq, e.Cursor, at, seq)
		}
		at = e.Cursor
	}
	if l := sender.next("ack", isAck); l.Ack.Seq != 3 {
		t.Errorf("%s", l.raw)
	}
	reader.send("no\nno json")
	if code := reader.closed(); code != 4501 {
		t.Errorf("three malformed lines over two instances: %d", code)
	}
	w.env.Drain(1012)
	if code := sender.closed(); code != 1012 {
		t.Errorf("closed with %d", code)
	}
}

// What cannot be handed on stays, and is none the worse for the attempt.
func TestWhatCannotBeFrozenStays(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	conv := a.with("alice")
	stranger, amid := w.dial(nil), a.connect()
	frame := []byte{0x81, 0x80 | 2, 0, 0, 0, 0, '{', '}'}
	if _, err := amid.conn.NetConn().Write(frame[:5]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "only what is whole is frozen", func() bool {
		all := freeze(t, w.chat, 50*time.Millisecond)
		for _, h := range all { // the five bytes were not read yet
			h.thaw(t, w.chat)
		}
		return len(all) == 0
	})
	if _, err := amid.conn.NetConn().Write(frame[5:]); err != nil {
		t.Fatal(err)
	}
	amid.send(`{"id":2,"send":{"conv":%q,"cid":"1","text":"still here"}}`, conv)
	amid.next("ack", isAck)
	stranger.send(`{"id":1,"connect":{"token":%q}}`, a.token)
	stranger.next("synced", isSynced)
}

// A session that ended meanwhile is not carried over; nor is a record that makes
// no sense.
func TestThawAsksWhoItIs(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	s := a.connect()
	all := freeze(t, w.chat, late)
	if len(all) != 1 {
		t.Fatalf("%d frozen", len(all))
	}
	a.call("DELETE", "/v1/sessions/current", "", 204, nil)
	all[0].thaw(t, w.chat)
	if code := s.closed(); code != 4500 {
		t.Errorf("closed with %d", code)
	}
	for _, record := range []string{"", "{}", `{"v":99}`, fmt.Sprintf(`{"v":1,"user":%d}`, 1<<40)} {
		mine, other := net.Pipe()
		err := w.chat.Thaw(mine, []byte(record))
		_ = other.SetReadDeadline(time.Now().Add(late))
		if b := make([]byte, 512); err == nil {
			if _, rerr := other.Read(b); rerr != nil {
				t.Errorf("%q: %v", record, rerr)
			}
			_ = other.Close()
		} else if _, rerr := other.Read(b); rerr == nil {
			t.Errorf("%q: %v, and the connection is open", record, err)
		}
	}
	w.wait(0)
}

func (w *world) wait(n int) {
	w.t.Helper()
	if err := w.env.WaitTracked(n, late); err != nil {
		w.t.Error(err)
	}
}
