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
	closeInvalid     = 1007
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
	replyRoom      = 64 << 10               // answers wait until less than this of them is queued
	batchBytes     = 64 << 10               // roughly, written in one go
	slowTime       = 500 * time.Millisecond // a client may take nothing though its queue is full
	drainTimeout   = 30 * time.Second
	connectTimeout = 10 * time.Second
	pongTimeout    = 10 * time.Second
)

// A transport carries a session's lines to its client. One goroutine at a time
// calls it. It knows nothing of queues, cursors or tokens, so that a session can
// be given another one; see freeze.go.
type transport interface {
	// offer sends what can be sent of a batch without waiting. False: some of it
	// is kept, and rest must be called before the next offer. It may take a while,
	// but returns within drainTimeout, or else fails.
	offer(batch []*item) (all bool, err error)
	rest() error
	// close ends the connection politely, after an itemClose was sent; abort at
	// once. After the one or the other the transport is not used again.
	close()
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
	itemPong  // of WebSocket: frame is the answer to a client's ping
	itemClose // the last one
)

// An item is one thing to send. It is shared between sessions: nobody writes to
// it once it is queued.
type item struct {
	kind   itemKind
	pushed bool // nobody asked for it: it counts against the queue's bounds
	cursor int64
	data   []byte
	frame  []byte // of events, pongs and closes: what a WebSocket is sent for it
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
// Its transport is apart from it. There may be very many that are idle, so it is
// small, and makes what it needs only now and then when it needs it.
type session struct {
	chat *Chat
	tr   transport
	done chan struct{} // closed when the transport was closed; nil: nobody waits for that

	born     int64 // of the wheel, as all moments here
	lastRecv atomic.Int64
	lastSent atomic.Int64

	// Set once, before the hub knows the session; then read only.
	user   store.Person
	authID string // the account session that the token belongs to

	watched []int64 // whose presence it wants; guarded by the hub's lock

	mu        sync.Mutex
	synced    bool // it was told that it is; of catchUp
	connected bool
	state     liveness
	writing   bool          // a flush is running
	broken    bool          // writing failed
	lagged    bool          // while held: some of what is to come cannot be handed over
	pinged    int64         // when an unanswered ping was sent; 0: none
	resting   int64         // since when its client is waited for; 0: it is not
	room      chan struct{} // one token: something was written; nil: nobody waits for that
	out       []*item       // to write
	wait      []*item       // held back until the replay is written
	pushed    size          // of what was pushed and is not written yet, wait included
	asked     size          // of what was asked for and is not written yet
	greeted   func()        // run once when the session is live; nil: was run
	ending    *ending
}

// size counts items; those of one batch being written are still in it.
type size struct{ bytes, items int32 }

func (z *size) add(it *item, sign int32) {
	z.bytes += sign * int32(len(it.data))
	z.items += sign
}

func (s *session) count(it *item, sign int32) {
	if it.pushed {
		s.pushed.add(it, sign)
	} else {
		s.asked.add(it, sign)
	}
}

// ending is why a session ends; code 0: it broke off.
type ending struct {
	code   int
	reason string
}

func newSession(c *Chat, tr transport) *session {
	s := &session{chat: c, tr: tr, born: c.wheel.moment(time.Now())}
	s.lastRecv.Store(s.born)
	s.lastSent.Store(s.born)
	return s
}

// push queues live events. It never blocks. A session whose queue is full reads on
// from the store: it may be that nobody has come to write it yet. One whose client
// does not take what is written is told to come back and resume. The hub calls it,
// with its lock held.
func (s *session) push(its ...*item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending != nil || s.broken || s.state == deaf {
		return
	}
	if s.state == live && s.pushAll(its) {
		s.startFlush()
		return
	}
	for _, it := range its {
		if s.pushOne(it); s.ending != nil || s.state == deaf {
			return
		}
	}
}

// pushAll queues what leaves half of the room free, as it nearly always does. A
// queue that is empty becomes the slice that all receivers share. It needs mu.
func (s *session) pushAll(its []*item) bool {
	z := s.pushed
	for _, it := range its {
		z.add(it, +1)
	}
	if z.bytes > maxQueueBytes/2 || z.items > maxQueueEvents/2 {
		return false
	}
	s.pushed = z
	if len(s.out) == 0 {
		s.out = slices.Clip(its)
	} else {
		s.out = append(s.out, its...)
	}
	return true
}

// pushOne needs mu.
func (s *session) pushOne(it *item) {
	if it.passing() && (s.state == held || s.pushed.bytes > maxQueueBytes/2 || s.pushed.items > maxQueueEvents/2) {
		return
	}
	if s.full(it) {
		s.shed()
	}
	switch {
	case !s.full(it):
	case s.slow():
		s.end(closeSlow, "too slow", nil)
		s.chat.metrics.slow.Inc()
		return
	default:
		s.missed(it.cursor - 1)
		return
	}
	if s.state == held {
		s.count(it, +1)
		s.wait = append(s.wait, it)
		return
	}
	s.queue(it)
	s.startFlush()
}

// full needs mu.
func (s *session) full(it *item) bool {
	return int(s.pushed.bytes)+len(it.data) > maxQueueBytes || s.pushed.items >= maxQueueEvents
}

// slow says that the client has not taken what was written for a while. It needs mu.
func (s *session) slow() bool {
	return s.resting != 0 && s.chat.wheel.moment(time.Now())-s.resting >= int64(slowTime)
}

// shed makes room by leaving out what is not stored. It needs mu.
func (s *session) shed() {
	s.out = slices.DeleteFunc(slices.Clone(s.out), func(it *item) bool {
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
	if s.ending == nil && !s.broken {
		s.missed(after)
	}
}

// missed needs mu.
func (s *session) missed(after int64) {
	switch s.state {
	case deaf:
		return
	case held:
		s.lagged = true
		return
	}
	s.state = deaf
	s.catchUpLater(after)
}

// catchUpLater reads on after a position in a goroutine of its own. It needs mu.
func (s *session) catchUpLater(after int64) {
	if !s.chat.begin() {
		s.end(closeResume, "resume again", nil)
		return
	}
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
