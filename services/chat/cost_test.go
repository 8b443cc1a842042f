package chat

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/internal/testkit/allocs"
	"github.com/porticod/portico/services/chat/store"
)

// sinkTransport counts what it is given.
type sinkTransport struct{ writes, items *atomic.Int64 }

func (s sinkTransport) offer(batch []*item) (bool, error) {
	s.writes.Add(1)
	s.items.Add(int64(len(batch)))
	return true, nil
}
func (sinkTransport) rest() error                      { return nil }
func (sinkTransport) close()                           {}
func (sinkTransport) abort()                           {}
func (sinkTransport) keepalive() (time.Duration, bool) { return 0, true }

// crowd is a group of so many that all are connected.
func crowd(c *Chat, n int) (tr sinkTransport, audience []int64) {
	tr = sinkTransport{new(atomic.Int64), new(atomic.Int64)}
	for i := range n {
		s := newSession(c, tr)
		s.user, s.connected = store.Person{ID: int64(i + 1)}, true
		c.hub.join(s, 20)
		c.hub.hold(s)
		s.release()
		audience = append(audience, s.user.ID)
	}
	return tr, audience
}

func notice(from int64, n int, audience []int64) Notice {
	out := Notice{Prev: from, Cursor: from + int64(n)}
	for i := range n {
		out.Events = append(out.Events, store.Event{Cursor: from + int64(i) + 1, Type: store.Message, Text: "hello", Audience: audience})
	}
	return out
}

// A write is a system call, and most of what a delivery costs: what is handed out
// together goes out together.
func TestOneWriteForWhatComesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestChat(t)
		tr, audience := crowd(c, 1000)
		for i := range 5 {
			c.hub.deliver(notice(int64(i*8), 8, audience))
			synctest.Wait()
		}
		if w, n := tr.writes.Load(), tr.items.Load(); w != 5*1000 || n != 5*8*1000 {
			t.Errorf("%d writes of %d events; 5 notices of 8 events for 1000 are 5000 of 40000", w, n)
		}
		var many []Notice // as the bus has them when several people write at a time
		for i := range int64(16) {
			many = append(many, notice(40+i, 1, audience))
		}
		tr.writes.Store(0)
		c.hub.deliver(many...)
		synctest.Wait()
		if w := tr.writes.Load(); w != 1000 {
			t.Errorf("%d writes for 16 notices that came together for 1000", w)
		}
	})
}

// A delivery allocates nothing for a receiver: the events are shared, and the
// queue of who had none is, too.
func TestAllocationsOfADelivery(t *testing.T) {
	const receivers, events, most = 2000, 4, 0.05
	c := newTestChat(t)
	tr, audience := crowd(c, receivers)
	at := int64(0)
	perRun := allocs.Per(20, most*receivers*events, func() {
		want := tr.items.Load() + receivers*events
		c.hub.deliver(notice(at, events, audience))
		at += events
		for tr.items.Load() < want {
			time.Sleep(50 * time.Microsecond)
		}
	})
	if per := perRun / (receivers * events); per > most {
		t.Errorf("%.3f allocations for each delivered message", per)
	}
}

// A write to a socket allocates nothing. (The race detector has a sync.Pool forget
// now and then.)
func TestAllocationsOfAWrite(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := ln.Accept(); err == nil {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn := &wsConn{Conn: c}
	conn.raw, _ = pollable(c)
	batch := []*item{newPushItem(1, []byte(`{"cursor":1}`)), newPushItem(2, []byte(`{"cursor":2}`))}
	failed := error(nil)
	per := allocs.Per(200, 2, func() {
		all, err := conn.offer(batch)
		if err == nil && !all {
			err = conn.rest()
		}
		if err != nil {
			failed = err
		}
	})
	if failed != nil || per > 2 {
		t.Errorf("%.1f allocations for a write, %v", per, failed)
	}
}

// The daemon closes what takes too long to end: that ends the session as well,
// at once and also where nobody is reading.
func TestACutConnectionEndsItsSession(t *testing.T) {
	c := newTestChat(t)
	c.sessions = map[*session]struct{}{}
	mine, other := net.Pipe()
	defer other.Close()
	conn := newWSConn(c, mine, nil)
	s := conn.cmd.s
	s.done = make(chan struct{})
	c.sessions[s] = struct{}{}
	untracked := make(chan struct{})
	conn.tracked(func() { close(untracked) })
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	for what, done := range map[string]chan struct{}{"session": s.done, "connection": untracked} {
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Errorf("the %s lives on", what)
		}
	}
	c.work.Wait()
	if len(c.sessions) > 0 {
		t.Error("the chat still knows the session")
	}
	late := false
	conn.tracked(func() { late = true })
	if !late {
		t.Error("what is tracked after the end is not let go")
	}
}

// Where a rune is cut does not matter.
func TestUTF8CheckerTakesPieces(t *testing.T) {
	for _, text := range []string{"", "plain", "κόσμε", "\U0010ffff👍🏽", "\ufffd"} {
		for cut := range len(text) + 1 {
			var u utf8Checker
			if !u.write([]byte(text[:cut])) || !u.write([]byte(text[cut:])) || !u.ended() {
				t.Errorf("%q cut at %d is refused", text, cut)
			}
		}
	}
}
