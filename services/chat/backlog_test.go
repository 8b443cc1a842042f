package chat

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

// A logStore is the log alone: all that sessions read.
type logStore struct {
	store.Store
	events []store.Event // of positions 1, 2, 3 and so on
}

func (l *logStore) Plan(_ context.Context, _, after, upTo int64, _ int) (store.Plan, error) {
	return &logPlan{l.events[after:upTo]}, nil
}

type logPlan struct{ left []store.Event }

func (p *logPlan) Len() int { return len(p.left) }

func (p *logPlan) Load(_ context.Context, limit int) (some []store.Event, err error) {
	n := min(limit, len(p.left))
	some, p.left = p.left[:n], p.left[n:]
	return some, nil
}

// newLoggedChat is a chat of which n notices are to be delivered, each of a message
// of 4000 bytes for all of the audience. Its sessions can read them, too.
func newLoggedChat(t *testing.T, n int, audience []int64) (*Chat, []Notice) {
	c, log := newTestChat(t), &logStore{}
	c.store, c.ctx, c.closed = log, t.Context(), false
	c.hub.log = func() int64 { return c.hub.position() }
	var ns []Notice
	for i := range int64(n) {
		log.events = append(log.events, store.Event{Cursor: i + 1, Type: store.Message, Conv: 1, Seq: i + 1, Text: strings.Repeat("x", 4000), Audience: audience})
		ns = append(ns, Notice{Prev: i, Cursor: i + 1, Events: log.events[i:]})
	}
	return c, ns
}

// inOrder says that a client was written all positions up to a last one, each once.
func inOrder(t *testing.T, tr *fakeTransport, last int64) {
	t.Helper()
	items, code := tr.written()
	if code != 0 {
		t.Errorf("closed with %d", code)
	}
	at := int64(0)
	for _, it := range items {
		if it.kind != itemEvent {
			continue
		}
		if it.cursor != at+1 {
			t.Fatalf("%d after %d", it.cursor, at)
		}
		at = it.cursor
	}
	if at != last {
		t.Errorf("written up to %d of %d", at, last)
	}
}

// What waits on the bus may be more than a session's queue holds. That is no
// reason to close a client who takes all that it is sent.
func TestABacklogClosesNobodyWhoKeepsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 140
		c, backlog := newLoggedChat(t, messages, []int64{1})
		var clients []*fakeTransport
		for range 10 {
			tr := &fakeTransport{}
			liveSession(c, tr)
			clients = append(clients, tr)
		}
		c.hub.deliver(backlog...)
		synctest.Wait()
		for _, tr := range clients {
			inOrder(t, tr, messages)
		}
	})
}

// A session whose queue is full because nobody has come to write it yet reads on
// from the store, and so does one whose client takes its time, but not much.
func TestAFullQueueIsReadFromTheStore(t *testing.T) {
	for name, tr := range map[string]*fakeTransport{
		"its writer is late": {late: make(chan struct{})},
		"its client is late": {stuck: make(chan struct{})},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const messages = 700
				c, ns := newLoggedChat(t, messages, []int64{1})
				if tr.late != nil {
					tr.late = make(chan struct{}) // of this bubble
				} else {
					tr.stuck = make(chan struct{})
				}
				liveSession(c, tr)
				for i, n := range ns {
					c.hub.deliver(n)
					if i == messages/2 {
						synctest.Wait() // it reads, and is full again
					}
				}
				time.Sleep(slowTime - time.Millisecond)
				tr.goOn()
				synctest.Wait()
				inOrder(t, tr, messages)
			})
		})
	}
}
