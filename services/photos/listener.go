package photos

import (
	"slices"
	"sync"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// maxStreams is how many streams one WebSocket has.
const maxStreams = 64

// A stream is one of those that clients subscribe to.
type stream struct {
	name string // user, public:local, ...
	arg  string // the hashtag, in its normal form, or the list's id
	list int64
}

// labels are what a frame says it came by.
func (s stream) labels() []string {
	if s.arg != "" {
		return []string{s.name, s.arg}
	}
	return []string{s.name}
}

// A listener is a connection to streaming.
type listener struct {
	owner owner
	from  int64         // what stands before this happened before it joined
	wake  chan struct{} // of capacity 1: there is something to do

	mu      sync.Mutex
	streams []stream      // guarded by mu
	queue   []store.Event // guarded by mu; at most maxQueue
	recheck bool          // guarded by mu; whoever listens may not be who they were
	code    int           // guarded by mu; 0 while it lives, else why it ends
}

// Why a listener ends, as WebSocket close codes (RFC 6455, section 7.4.1).
const (
	endGone    = 1001 // the service is removed
	endPolicy  = 1008 // the token is not valid any more
	endRestart = 1012 // the daemon stops
	endSlow    = 1013 // too much was not taken; come again
)

func newListener(o owner) *listener { return &listener{owner: o, wake: make(chan struct{}, 1)} }

func (l *listener) nudge() { nudge(l.wake) }

// push queues an event. A listener whose queue is full ends.
func (l *listener) push(ev store.Event) {
	l.mu.Lock()
	if len(l.queue) >= maxQueue && l.code == 0 {
		l.code = endSlow
	}
	if l.code == 0 {
		l.queue = append(l.queue, ev)
	}
	l.mu.Unlock()
	l.nudge()
}

// end has the listener end with a code; the first counts.
func (l *listener) end(code int) {
	l.mu.Lock()
	if l.code == 0 {
		l.code = code
	}
	l.mu.Unlock()
	l.nudge()
}

// check has the listener find out at once whether its token still holds.
func (l *listener) check() {
	l.mu.Lock()
	l.recheck = true
	l.mu.Unlock()
	l.nudge()
}

// take returns what there is to do.
func (l *listener) take() (queue []store.Event, recheck bool, code int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue, recheck, code = l.queue, l.recheck, l.code
	l.queue, l.recheck = nil, false
	return queue, recheck, code
}

// subscribe adds a stream; it may be there.
func (l *listener) subscribe(s stream) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.streams, s) {
		return nil
	}
	if len(l.streams) >= maxStreams {
		return errStreams
	}
	l.streams = append(slices.Clip(l.streams), s)
	return nil
}

func (l *listener) unsubscribe(s stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams = slices.DeleteFunc(slices.Clone(l.streams), func(o stream) bool { return o == s })
}

// subscribed are the streams; they are not changed in place.
func (l *listener) subscribed() []stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams
}

// wants tells cheaply what can be for l at all. Whether it is decides who
// delivers it.
func (l *listener) wants(ev store.Event) bool {
	return ev.At >= l.from && slices.ContainsFunc(l.subscribed(), func(s stream) bool { return s.wants(ev, l.owner.User) })
}

func (s stream) wants(ev store.Event, user int64) bool {
	switch ev.Kind {
	case store.Noticed:
		return ev.Notice.User == user && (s.name == "user" || s.name == "user:notification")
	case store.FiltersChanged:
		return ev.User == user && s.name == "user"
	}
	public := ev.Status.Visibility == store.Public
	root := public && !ev.Status.Reply
	media := len(ev.Status.Media) > 0
	switch s.name {
	case "user":
		return ev.Kind == store.StatusDeleted || ev.Status.Visibility != store.Direct || ev.Status.Author == user ||
			slices.Contains(ev.Status.Mentions, user)
	case "list":
		return ev.Status.Visibility != store.Direct
	case "direct":
		return ev.Kind == store.StatusAdded && ev.Status.Visibility == store.Direct
	case "public", "public:local":
		return root
	case "public:media", "public:local:media":
		return root && media
	case "hashtag", "hashtag:local":
		return public && slices.Contains(ev.Status.Tags, s.arg)
	}
	return false // what comes from other servers
}

// Times of streaming.
const (
	heartbeat  = 15 * time.Second
	streamWait = 30 * time.Second // for a client to take what is written
)
