package chat_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/chat"
)

// handed is a connection on its way from one instance to the next.
type handed struct {
	conn     net.Conn
	record   []byte
	farewell []byte
}

func freeze(t *testing.T, c *chat.Chat, patience time.Duration) (all []handed) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c.Freeze(ctx, func(f service.Frozen) {
		all = append(all, handed{duplicate(t, f.Conn), f.Record, f.Farewell})
	})
	return all
}

// duplicate is what the daemon does with a connection that it is given.
func duplicate(t *testing.T, c net.Conn) net.Conn {
	t.Helper()
	if u, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = u.NetConn()
	}
	file, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	dup, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return dup
}

func (h handed) thaw(t *testing.T, c *chat.Chat) {
	t.Helper()
	if err := c.Thaw(h.conn, h.record); err != nil {
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
	wait.Until(t, "only what is whole is frozen", func() bool {
		all := freeze(t, w.chat, 500*time.Millisecond)
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
	for _, record := range []string{"", "{}", `{"v":99,"user":1}`} {
		mine, other := net.Pipe()
		if err := w.chat.Thaw(mine, []byte(record)); err == nil {
			t.Errorf("%q: no error", record)
		}
		// It is the caller's still, and open.
		_ = mine.SetReadDeadline(time.Now().Add(late))
		go func() { _, _ = other.Write([]byte("x")) }()
		if _, err := mine.Read(make([]byte, 1)); err != nil {
			t.Errorf("%q: %v", record, err)
		}
		_, _ = mine.Close(), other.Close()
	}
	mine, other := net.Pipe() // somebody who is no more
	if err := w.chat.Thaw(mine, fmt.Appendf(nil, `{"v":1,"user":%d}`, 1<<40)); err != nil {
		t.Fatal(err)
	}
	_ = other.SetReadDeadline(time.Now().Add(late))
	if _, err := other.Read(make([]byte, 512)); err != nil {
		t.Errorf("the end is not told: %v", err)
	}
	_ = other.Close()
}

// A client that takes nothing holds nobody else up, and is told to resume.
func TestFreezeDoesNotWaitForOne(t *testing.T) {
	w := start(t, nil)
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	_ = a.with("alice")
	stuck := stubborn(t, b)
	other := w.join("carol").connect()
	text := strings.Repeat("x", 4000)
	var all []handed
	// Until the kernel takes no more for a client that does not read.
	for i := 0; len(all) != 1 || !strings.Contains(string(all[0].record), `"carol"`); i++ {
		if i == 100 {
			t.Fatal("everybody is frozen, even who does not read")
		}
		for _, h := range all {
			h.thaw(t, w.chat)
		}
		for k := range 50 {
			a.say(conv, fmt.Sprintf("%d-%d", i, k), text)
		}
		all = freeze(t, w.chat, 200*time.Millisecond)
	}
	w.env.Drain(1012)
	w.reopen()
	all[0].thaw(t, w.chat)
	other.send(`{"id":7,"watch":{"users":["bob"]}}`)
	other.next("it goes on", isPresence("bob", false))
	_ = stuck.Close()
}

// stubborn signs in and then does not read.
func stubborn(t *testing.T, p *person) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(p.w.http.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	line := fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, p.token)
	frame := append([]byte{0x81, 0x80 | 126, byte(len(line) >> 8), byte(len(line)), 0, 0, 0, 0}, line...)
	handshake := "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	if _, err := c.Write(append([]byte(handshake), frame...)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	_ = c.SetReadDeadline(time.Now().Add(late))
	for got := ""; !strings.Contains(got, "synced"); { // it is live
		b, err := r.ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		got += string(b)
	}
	return c
}

// Nobody hears of a restart by who is online: those whose connections go on stay
// so, and who does not come back is gone after a while.
func TestPresenceGoesOn(t *testing.T) {
	w := start(t, nil)
	a, b, c := w.join("alice"), w.join("bob"), w.join("carol")
	a.say(a.with("bob"), "1", "x")
	a.say(a.with("carol"), "1", "x")
	sa, sb := a.connect(), b.connect()
	c.connect()
	sa.next("carol online", isPresence("carol", true))
	all := freeze(t, w.chat, late)
	if len(all) != 3 {
		t.Fatalf("%d frozen", len(all))
	}
	kept, err := os.ReadFile(w.chat.OnlineFile())
	if err != nil {
		t.Fatal(err)
	}
	w.reopen()
	if _, err := os.Stat(w.chat.OnlineFile()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	users := map[string]int64{}
	for _, h := range all {
		var f struct {
			User int64
			Name string
		}
		if err := json.Unmarshal(h.record, &f); err != nil {
			t.Fatal(err)
		}
		if users[f.Name] = f.User; f.Name == "carol" {
			_ = h.conn.Close()
		} else {
			h.thaw(t, w.chat)
		}
	}
	if !bytes.Contains(kept, []byte(fmt.Sprint(users["alice"]))) {
		t.Errorf("kept: %s", kept)
	}
	sb.send(`{"id":9,"watch":{"users":["alice"]}}`)
	sb.next("alice online", isPresence("alice", true))
	sa.send(`{"id":9,"watch":{"users":["carol"]}}`)
	sa.next("carol online still", isPresence("carol", true))
	// Once more, with less patience than Open has.
	w.chat.SetPresenceGrace(100 * time.Millisecond)
	if err := os.WriteFile(w.chat.OnlineFile(), fmt.Appendf(nil, `{"at":%d,"users":[%d]}`, time.Now().UnixMilli(), users["carol"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.chat.TakePresence(); err != nil {
		t.Fatal(err)
	}
	l := sa.next("presence", func(l line) bool { return l.Ev != nil && l.Ev.Type == "presence" })
	if l.Ev.User != "carol" || l.Ev.Online {
		t.Errorf("first heard: %s", l.raw)
	}
	for _, bad := range []string{"", "{", `{"at":1,"users":[1]}`} {
		if err := os.WriteFile(w.chat.OnlineFile(), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := w.chat.TakePresence(); (err == nil) != strings.HasPrefix(bad, `{"at"`) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
