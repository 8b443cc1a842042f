package chat

import (
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

// fakeTransport keeps what is written. It waits as a slow client makes it: while
// stuck, in rest.
type fakeTransport struct {
	mu    sync.Mutex
	items []*item
	kept  []*item
	code  int
	ended bool
	stuck chan struct{} // not nil: rest waits for its end
	late  chan struct{} // not nil: offer does
	fail  error
}

// goOn ends what it waits for.
func (f *fakeTransport) goOn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ch := range []*chan struct{}{&f.stuck, &f.late} {
		if *ch != nil {
			close(*ch)
			*ch = nil
		}
	}
}

func (f *fakeTransport) offer(batch []*item) (bool, error) {
	f.mu.Lock()
	late := f.late
	f.mu.Unlock()
	if late != nil {
		<-late
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stuck != nil {
		f.kept = batch
		return false, nil
	}
	f.items = append(f.items, batch...)
	return f.fail == nil, f.fail
}

func (f *fakeTransport) rest() error {
	f.mu.Lock()
	stuck := f.stuck
	f.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items = append(f.items, f.kept...)
	return f.fail
}

// close notes the code of the close frame, which is written last.
func (f *fakeTransport) close() {
	items, _ := f.written()
	frame := items[len(items)-1].frame
	code := 1006
	if line := int(frame[1]); frame[0] == finBit|opText && line < 126 {
		code = int(binary.BigEndian.Uint16(frame[2+line+2:]))
	}
	f.end(code)
}
func (f *fakeTransport) abort() { f.end(1006) }

func (f *fakeTransport) end(code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		panic("the transport was ended twice")
	}
	f.ended, f.code = true, code
}

func (f *fakeTransport) keepalive() (time.Duration, bool) { return 0, true }

// written returns what was written and the close code, 0 while it is open.
func (f *fakeTransport) written() ([]*item, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.items, f.code
}

func (f *fakeTransport) count(kind itemKind) (n int) {
	items, _ := f.written()
	for _, it := range items {
		if it.kind == kind {
			n++
		}
	}
	return n
}

// newTestChat is a chat without a store: enough for sessions.
func newTestChat(t *testing.T) *Chat {
	c := &Chat{wheel: newWheel(), metrics: newMetrics(), presence: newPresence()}
	c.hub = newHub(0, c.wheel, &c.writers, func() int64 { return 0 }, func(e *store.Event, _ int64) []byte { return encode(e.Text) })
	c.closed = true // nothing in the background
	cfg := Type{}.Default()
	c.cfg.Store(&cfg)
	t.Cleanup(c.wheel.close)
	return c
}

func liveSession(c *Chat, tr transport) *session {
	s := newSession(c, tr)
	s.done = make(chan struct{})
	s.user = store.Person{ID: 1, Username: "alice"}
	s.connected = true
	c.hub.join(s, 20)
	c.hub.hold(s)
	s.release()
	c.wheel.add(s, time.Second)
	return s
}

func TestSessionWithoutConnectEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tr := newTestChat(t), &fakeTransport{}
		s := newSession(c, tr)
		s.done = make(chan struct{})
		c.wheel.add(s, time.Second)
		time.Sleep(9 * time.Second)
		if _, code := tr.written(); code != 0 {
			t.Fatalf("closed with %d after 9 s", code)
		}
		time.Sleep(2 * time.Second)
		if _, code := tr.written(); code != closeNoConnect {
			t.Errorf("code %d after 11 s without connect", code)
		}
	})
}

func TestPingsAndTheirAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tr := newTestChat(t), &fakeTransport{}
		s := liveSession(c, tr)
		for range 3 { // a client that answers stays
			time.Sleep(27 * time.Second)
			s.received()
		}
		if n, want := tr.count(itemPing), 3; n != want {
			t.Errorf("%d pings in 81 s, not %d", n, want)
		}
		if _, code := tr.written(); code != 0 {
			t.Fatalf("closed with %d though it answers", code)
		}
		time.Sleep(24 * time.Second)
		if _, code := tr.written(); code != 0 {
			t.Fatalf("closed with %d before the next ping", code)
		}
		time.Sleep(13 * time.Second)
		if _, code := tr.written(); code != closeNoPong {
			t.Errorf("code %d for a client that does not answer", code)
		}
		<-s.done
		if c.hub.size() != 0 {
			t.Error("the hub still knows the session")
		}
	})
}

func TestSlowReaderIsClosedAndOthersAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestChat(t)
		slow, quick := &fakeTransport{stuck: make(chan struct{})}, &fakeTransport{}
		s := liveSession(c, slow)
		liveSession(c, quick)
		text := strings.Repeat("x", 1000)
		n := 0
		for ; !s.over(); n++ {
			publish(c, []store.Event{{Cursor: int64(n + 1), Type: store.Message, Conv: 1, Seq: int64(n + 1), Text: text, Audience: []int64{1}}})
			time.Sleep(2 * slowTime / (maxQueueBytes / 1000)) // the quick one takes it
			if n > maxQueueEvents {
				t.Fatalf("%d events are queued", n)
			}
		}
		if n*1000 > maxQueueBytes+2000 {
			t.Errorf("%d bytes were queued, the bound is %d", n*1000, maxQueueBytes)
		}
		close(slow.stuck)
		<-s.done
		items, code := slow.written()
		if code != closeSlow {
			t.Errorf("code %d", code)
		}
		if last := items[len(items)-1]; last.kind != itemClose || !strings.Contains(string(last.data), "4008") {
			t.Errorf("the last line is %s", last.data)
		}
		for i := 1; i < len(items)-1; i++ {
			if items[i].cursor != items[i-1].cursor+1 {
				t.Fatalf("%d follows %d: an event was dropped silently", items[i].cursor, items[i-1].cursor)
			}
		}
		if got := quick.count(itemEvent); got != n {
			t.Errorf("the quick one got %d of %d", got, n)
		}
	})
}

func TestReplyWaitsForRoomButNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tr := newTestChat(t), &fakeTransport{stuck: make(chan struct{})}
		s := liveSession(c, tr)
		big := &item{data: make([]byte, replyRoom)}
		if !s.reply(big) {
			t.Fatal("the first answer has room")
		}
		begun, ended := time.Now(), make(chan bool)
		go func() { ended <- s.reply(big) }()
		time.Sleep(drainTimeout - time.Second)
		select {
		case <-ended:
			t.Fatal("an answer was queued without room")
		default:
		}
		if <-ended {
			t.Error("an answer was queued to a client that reads nothing")
		}
		if waited := time.Since(begun); waited > drainTimeout+time.Second {
			t.Errorf("it waited %v", waited)
		}
		close(tr.stuck)
		<-s.done
		if _, code := tr.written(); code != closeSlow {
			t.Errorf("code %d", code)
		}
	})
}

// A large answer on its way is no reason to call its reader slow, and events
// that are held back are none to keep a replay waiting.
func TestAnswersAndEventsHaveTheirOwnRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tr := newTestChat(t), &fakeTransport{stuck: make(chan struct{})}
		s := newSession(c, tr)
		s.done = make(chan struct{})
		s.user, s.connected = store.Person{ID: 1}, true
		c.hub.join(s, 20)
		c.hub.hold(s)
		big := &item{data: make([]byte, maxQueueBytes)}
		s.reply(big)
		for i := range 100 {
			publish(c, []store.Event{{Cursor: int64(i + 1), Type: store.Message, Text: strings.Repeat("x", 1000), Audience: []int64{1}}})
		}
		close(tr.stuck)
		begun := time.Now()
		for range 3 {
			if !s.reply(big) {
				t.Fatal("the session ended")
			}
		}
		s.release()
		synctest.Wait()
		if d := time.Since(begun); d > 0 {
			t.Errorf("the replay waited %v", d)
		}
		if _, code := tr.written(); code != 0 || tr.count(itemEvent) != 100 {
			t.Errorf("code %d, %d events", code, tr.count(itemEvent))
		}
		s.gone()
		<-s.done
	})
}

func TestFailedWriteEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tr := newTestChat(t), &fakeTransport{fail: errors.New("reset")}
		s := liveSession(c, tr)
		publish(c, []store.Event{{Cursor: 1, Type: store.Message, Audience: []int64{1}}})
		<-s.done
		s.close(closeRestart, "restart") // too late, and harmless
		s.gone()
		if _, code := tr.written(); code != 1006 {
			t.Errorf("code %d", code)
		}
	})
}

func TestHeldEventsComeAfterTheReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tr := newTestChat(t), &fakeTransport{}
		s := newSession(c, tr)
		s.done = make(chan struct{})
		s.user, s.connected = store.Person{ID: 1}, true
		c.hub.join(s, 20)
		event := func(cursor int64) []store.Event {
			return []store.Event{{Cursor: cursor, Type: store.Message, Audience: []int64{1}}}
		}
		publish(c, event(1)) // deaf: the replay reads it
		if at := c.hub.hold(s); at != 1 {
			t.Fatalf("held from %d", at)
		}
		publish(c, event(2))
		s.reply(&item{kind: itemEvent, cursor: 1})
		s.reply(&item{kind: itemSynced, cursor: 1})
		s.release()
		publish(c, event(3))
		synctest.Wait()
		var got []int64
		items, _ := tr.written()
		for _, it := range items {
			got = append(got, it.cursor)
		}
		if len(got) != 4 || got[0] != 1 || got[1] != 1 || got[2] != 2 || got[3] != 3 {
			t.Errorf("cursors %v", got)
		}
	})
}

func TestWheelRestsWhenEmptyAndManyWaitLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWheel()
		begun := time.Now()
		late := &lateTicker{wait: 5 * time.Minute} // several turns of the wheel
		w.add(late, time.Second)
		time.Sleep(6 * time.Minute)
		w.close() // what it did is to be seen from here
		if d := late.at.Sub(begun); d < 5*time.Minute || d > 5*time.Minute+2*time.Second {
			t.Errorf("called after %v", d)
		}
		if w.count != 0 {
			t.Errorf("%d on the wheel", w.count)
		}
	})
}

type lateTicker struct {
	wait  time.Duration
	begun time.Time
	at    time.Time
}

func (l *lateTicker) tick(now time.Time) time.Duration {
	if l.begun.IsZero() {
		l.begun = now
	}
	if wait := l.wait - time.Second - now.Sub(l.begun); wait > 0 {
		return wait
	}
	l.at = now
	return 0
}

// publish hands events out as the bus does.
func publish(c *Chat, events []store.Event) {
	c.hub.deliver(Notice{Prev: events[0].Cursor - 1, Cursor: events[len(events)-1].Cursor, Events: events})
}

// Typing and presence make way for what is stored.
func TestPassingEventsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tr := newTestChat(t), &fakeTransport{stuck: make(chan struct{})}
		s := liveSession(c, tr)
		publish(c, []store.Event{{Cursor: 1, Type: store.Message, Audience: []int64{1}}})
		synctest.Wait() // it is being written, and does not get through
		for range maxQueueEvents {
			c.hub.deliver(Notice{Signal: []byte(`{"type":"typing"}`), Audience: []int64{1}})
		}
		for i := range maxQueueEvents - 1 {
			publish(c, []store.Event{{Cursor: int64(i + 2), Type: store.Message, Audience: []int64{1}}})
		}
		if s.over() {
			t.Fatal("the session ended though what is stored fits")
		}
		close(tr.stuck)
		synctest.Wait()
		items, _ := tr.written()
		var last, passing int64
		for _, it := range items {
			switch {
			case it.kind != itemEvent:
			case it.cursor == 0:
				passing++
			case it.cursor != last+1:
				t.Fatalf("%d after %d", it.cursor, last)
			default:
				last = it.cursor
			}
		}
		if last != maxQueueEvents || passing > 1 {
			t.Errorf("up to %d, and %d that are not stored", last, passing)
		}
		s.gone()
		<-s.done
	})
}
