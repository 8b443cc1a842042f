package chat

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

// Close codes of the protocol. 4500 to 4999 tell a client to stay away.
const (
	closeGoingAway   = 1001
	closeProtocol    = 1002
	closeUnsupported = 1003
	closeTooBig      = 1009
	closeInternal    = 1011
	closeRestart     = 1012
	closeTryLater    = 1013
	closeSlow        = 4008
	closeResume      = 4010
	closeNoPong      = 4012
	closeToken       = 4500
	closeBadRequests = 4501
	closeNoConnect   = 4502
)

// Bounds of one connection. What is dropped is only ever the connection: its
// client comes back and resumes.
const (
	maxQueueBytes  = 512 << 10 // of events that are not written yet
	maxQueueEvents = 2048
	replyRoom      = 64 << 10 // answers wait until less than this of them is queued
	batchBytes     = 64 << 10 // roughly, written in one go
	drainTimeout   = 30 * time.Second
	connectTimeout = 10 * time.Second
	pongTimeout    = 10 * time.Second
)

// A transport carries a session's lines to its client. One goroutine at a time
// calls it. It knows nothing of queues, cursors or tokens, so that a session
// could be given another one: to freeze a connection, let write return (that is
// a frame boundary outwards), stop its reader between two frames, and keep the
// descriptor, the reader's buffered bytes and the session's cursor.
type transport interface {
	// write sends a batch. It returns within drainTimeout, or else fails.
	write(batch []item) error
	// close ends the connection politely, abort at once. After the one or the
	// other the transport is not used again.
	close(code int, reason string)
	abort()
	// keepalive says after how much silence to send an itemPing, 0 for what is
	// configured, and whether the client must answer it.
	keepalive() (every time.Duration, answered bool)
}

type itemKind uint8

const (
	itemLine   itemKind = iota // an answer: the line as it is
	itemEvent                  // data is the event's object
	itemSynced                 // cursor says how far
	itemReset
	itemPing
	itemClose // the last one
)

// An item is one thing to send. data and frame are shared between sessions:
// nobody writes to them.
type item struct {
	kind   itemKind
	pushed bool // nobody asked for it: it counts against the queue's bounds
	cursor int64
	data   []byte
	frame  []byte // of an event: the WebSocket frame that holds data
}

// passing says that an item may be left out where there is too much: typing and
// presence, which are not stored.
func (it *item) passing() bool { return it.kind == itemEvent && it.cursor == 0 }

type liveness uint8

const (
	deaf liveness = iota // pushed events are ignored: a replay will read them
	held                 // they wait until the replay is written
	live
)

// A session is one connected client: who it is, and what it has yet to be sent.
// Its transport is apart from it.
type session struct {
	chat *Chat
	tr   transport
	born time.Time

	lastRecv atomic.Int64 // Unix nanoseconds
	lastSent atomic.Int64
	done     chan struct{} // closed when the transport was closed
	room     chan struct{} // one token: something was written

	// Set once, before the hub knows the session; then read only.
	user   store.Person
	authID string // the account session that the token belongs to

	synced  bool    // it was told that it is; of catchUp
	watched []int64 // whose presence it wants; guarded by the hub's lock

	mu        sync.Mutex
	connected bool
	pinged    time.Time // when an unanswered ping was sent; zero: none
	state     liveness
	out       []item // to write
	wait      []item // held back until the replay is written
	pushed    size   // of what was pushed and is not written yet, wait included
	asked     size   // of what was asked for and is not written yet
	writing   bool   // a flush is running
	broken    bool   // writing failed
	lagged    bool   // while held: some of what is to come cannot be handed over
	greeted   func() // run once when the session is live; nil: was run
	ending    *ending
}

// size counts items; those of one batch being written are still in it.
type size struct{ bytes, items int }

func (z *size) add(it item, sign int) {
	z.bytes += sign * len(it.data)
	z.items += sign
}

func (s *session) count(it item, sign int) {
	if it.pushed {
		s.pushed.add(it, sign)
	} else {
		s.asked.add(it, sign)
	}
}

type ending struct {
	code   int
	reason string
}

func newSession(c *Chat, tr transport) *session {
	s := &session{chat: c, tr: tr, born: time.Now(), done: make(chan struct{}), room: make(chan struct{}, 1)}
	s.lastRecv.Store(s.born.UnixNano())
	s.lastSent.Store(s.born.UnixNano())
	return s
}

// push queues a live event. It never blocks: a session whose queue is full is
// told to come back and resume. The hub calls it, with its lock held.
func (s *session) push(it item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending != nil || s.broken || s.state == deaf {
		return
	}
	if it.passing() && (s.state == held || s.pushed.bytes > maxQueueBytes/2 || s.pushed.items > maxQueueEvents/2) {
		return
	}
	if s.full(it) {
		s.shed()
	}
	if s.full(it) {
		s.end(closeSlow, "too slow", nil)
		s.chat.metrics.slow.Inc()
		return
	}
	it.pushed = true
	if s.state == held {
		s.count(it, +1)
		s.wait = append(s.wait, it)
		return
	}
	s.queue(it)
}

// full needs mu.
func (s *session) full(it item) bool {
	return s.pushed.bytes+len(it.data) > maxQueueBytes || s.pushed.items >= maxQueueEvents
}

// shed makes room by leaving out what is not stored. It needs mu.
func (s *session) shed() {
	s.out = slices.DeleteFunc(slices.Clone(s.out), func(it item) bool {
		if !it.passing() {
			return false
		}
		s.count(it, -1)
		return true
	})
}

// lag implements subscriber: some events after a position cannot be handed over.
// They are read from the store, by the replay where one is under way.
func (s *session) lag(after int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending != nil || s.broken || s.state == deaf:
		return
	case s.state == held:
		s.lagged = true
		return
	case !s.chat.begin():
		s.end(closeResume, "resume again", nil)
		return
	}
	s.state = deaf
	go func() {
		defer s.chat.work.Done()
		if _, err := s.catchUp(s.chat.ctx, replay{upTo: after}); err != nil {
			s.chat.blame(err)
			s.close(closeResume, "resume again")
		}
	}()
}

// present implements subscriber.
func (s *session) present() bool { return true }

// queue needs mu.
func (s *session) queue(it item) {
	s.count(it, +1)
	s.out = append(s.out, it)
	s.startFlush()
}

// reply queues what the client waits for: an answer, or a piece of replay. It
// blocks while too much is queued, which keeps the client's further commands in
// the socket. False means that the session is ending.
func (s *session) reply(it item) bool {
	var timeout <-chan time.Time
	for {
		s.mu.Lock()
		switch {
		case s.ending != nil || s.broken:
			s.mu.Unlock()
			return false
		case s.asked.bytes < replyRoom:
			s.queue(it)
			s.mu.Unlock()
			return true
		}
		s.mu.Unlock()
		if timeout == nil {
			t := time.NewTimer(drainTimeout)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-s.room:
		case <-s.done:
		case <-timeout:
			s.close(closeSlow, "too slow")
		}
	}
}

// hold makes the session collect events; the hub calls it with its lock held.
func (s *session) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = held
}

// release sends what was held, and from now on everything at once. False: some
// of it was lost, and the session is deaf again.
func (s *session) release() bool {
	s.mu.Lock()
	if s.lagged {
		for _, it := range s.wait {
			s.count(it, -1)
		}
		s.lagged, s.wait, s.state = false, nil, deaf
		s.mu.Unlock()
		return false
	}
	s.state = live
	s.out = append(s.out, s.wait...)
	s.wait = nil
	s.startFlush()
	greet := s.greeted
	s.greeted = nil
	s.mu.Unlock()
	if greet != nil {
		greet()
	}
	return true
}

// startFlush needs mu. The goroutine lives while there is something to write.
func (s *session) startFlush() {
	if s.writing || len(s.out) == 0 && s.ending == nil {
		return
	}
	s.writing = true
	s.chat.work.Go(s.flush)
}

func (s *session) flush() {
	for {
		batch, ok := s.take()
		if !ok {
			return
		}
		err := s.tr.write(batch)
		s.lastSent.Store(time.Now().UnixNano())
		s.wrote(batch, err)
	}
}

// take cuts the next batch off the queue. Where there is none it ends the
// flush, and the session, if that is what it comes to.
func (s *session) take() (batch []item, ok bool) {
	s.mu.Lock()
	if !s.broken && len(s.out) > 0 {
		n, size := 0, 0
		for n < len(s.out) && (n == 0 || size+len(s.out[n].data) <= batchBytes) {
			size += len(s.out[n].data)
			n++
		}
		batch = s.out[:n:n]
		if s.out = s.out[n:]; len(s.out) == 0 {
			s.out = nil // an idle session keeps no buffer
		}
		s.mu.Unlock()
		return batch, true
	}
	end, broken := s.ending, s.broken
	if broken || end != nil {
		s.out, s.wait = nil, nil
		s.mu.Unlock() // writing stays true: nobody starts another flush
		s.finish(end, broken)
		return nil, false
	}
	s.writing = false
	s.mu.Unlock()
	return nil, false
}

// wrote gives the room of a batch back.
func (s *session) wrote(batch []item, err error) {
	s.mu.Lock()
	for _, it := range batch {
		s.count(it, -1)
	}
	if err != nil {
		s.broken = true
		if s.ending == nil {
			s.ending = &ending{}
		}
	}
	s.mu.Unlock()
	select {
	case s.room <- struct{}{}:
	default:
	}
}
