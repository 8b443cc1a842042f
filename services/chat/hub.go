package chat

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
	"github.com/porticod/portico/services/chat/store"
)

// lagTime is how long the log may be ahead of what was handed out before the hub
// takes the word of it for lost.
const lagTime = time.Second

// Bounds of what is handed out at once.
const (
	corkMost  = 20_000             // pushes, before what was pushed is written
	corkBytes = maxQueueBytes / 4  // to one subscriber at most, before that
	corkItems = maxQueueEvents / 4 // to one subscriber at most, before that
	sameMost  = 64                 // events in a push
	sameBytes = corkBytes / 2      // of their texts
	lockMost  = 256                // notices, before others may come and go
)

// A hub knows who is connected and hands committed events to them. It keeps
// nothing: what a subscriber misses is in the store.
type hub struct {
	encode  func(e *store.Event, viewer int64) []byte // nil viewer 0: for all
	log     func() int64                              // where the store stands
	wheel   *wheel
	writers *writers                // of the sessions that are pushed to
	crowd   *ratelimit.Crowd[int64] // how many subscribers users have, here and at other nodes

	mu       sync.Mutex
	people   map[int64][]subscriber          // by user id; guarded by mu
	watchers map[int64]map[*session]struct{} // by who is watched; guarded by mu
	visible  int64                           // every event up to here was handed out; guarded by mu
	checked  int64                           // visible at the last tick; guarded by mu
	moved    chan struct{}                   // closed when visible moves on; nil: nobody waits; guarded by mu
	ticking  bool                            // guarded by mu
	closed   bool                            // guarded by mu
	count    int                             // of subscribers; guarded by mu
	pushes   int                             // since the writers were let at it; guarded by mu
	corked   size                            // what was pushed by them; guarded by mu
}

// A subscriber is one connection, event stream or long poll of a user.
type subscriber interface {
	// who returns the user's id and the account session behind the connection.
	who() (user int64, authID string)
	// present says whether its user counts as online.
	present() bool
	// hold starts the collecting of events, push hands some over, lag says that
	// some after a position cannot be handed over. They are called with the
	// hub's lock held and must not block. What is pushed is shared, the slice too.
	hold()
	push(its ...*item)
	lag(after int64)
	// revoke ends it because its token is no longer good.
	revoke()
}

func newHub(visible int64, w *wheel, out *writers, log func() int64, encode func(*store.Event, int64) []byte) *hub {
	return &hub{
		people: map[int64][]subscriber{}, watchers: map[int64]map[*session]struct{}{}, crowd: ratelimit.NewCrowd[int64](),
		visible: visible, wheel: w, writers: out, log: log, encode: encode,
	}
}

// join adds s, deaf, unless its user has limit subscribers already, as far as is
// known of other nodes with those there.
func (h *hub) join(s subscriber, limit int) (ok bool) {
	user, _ := s.who()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || !h.crowd.Enter(user, limit) {
		return false
	}
	h.people[user] = append(slices.Clip(h.people[user]), s) // most have one, and no room to spare
	h.count++
	if !h.ticking {
		h.ticking = true
		h.wheel.add(h, lagTime)
	}
	return true
}

// leave forgets s. It may be called more than once. here says whether another
// connection keeps the user online.
func (h *hub) leave(s subscriber) (here bool) {
	user, _ := s.who()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(s)
	return h.presentLocked(user)
}

// forget needs mu.
func (h *hub) forget(s subscriber) {
	user, _ := s.who()
	if i := slices.Index(h.people[user], s); i >= 0 {
		h.count--
		h.crowd.Leave(user)
		if rest := slices.Delete(h.people[user], i, i+1); len(rest) > 0 {
			h.people[user] = rest
		} else {
			delete(h.people, user)
		}
	}
	if s, ok := s.(*session); ok {
		h.unwatch(s)
	}
}

func (h *hub) presentLocked(user int64) bool {
	for _, s := range h.people[user] {
		if s.present() {
			return true
		}
	}
	return false
}

// present says whether a user is online.
func (h *hub) present(user int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.presentLocked(user)
}

// here returns those of users who have a connection.
func (h *hub) here(users []int64) []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []int64
	for _, u := range users {
		if len(h.people[u]) > 0 {
			ids = append(ids, u)
		}
	}
	return ids
}

// watch sets whom a session watches.
func (h *hub) watch(s *session, users []int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unwatch(s)
	if !slices.Contains(h.people[s.user.ID], subscriber(s)) {
		return // it is gone
	}
	s.watched = users
	for _, u := range users {
		if h.watchers[u] == nil {
			h.watchers[u] = map[*session]struct{}{}
		}
		h.watchers[u][s] = struct{}{}
	}
}

// unwatch needs mu.
func (h *hub) unwatch(s *session) {
	for _, u := range s.watched {
		if delete(h.watchers[u], s); len(h.watchers[u]) == 0 {
			delete(h.watchers, u)
		}
	}
	s.watched = nil
}

// watching returns who watches a user.
func (h *hub) watching(user int64) []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []int64
	for s := range h.watchers[user] {
		ids = append(ids, s.user.ID)
	}
	return ids
}

// hold makes s collect what is handed out from now on, and returns the position
// up to which that has happened: everything at or below it is in the store,
// everything above will be pushed.
func (h *hub) hold(s subscriber) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.hold()
	return h.visible
}

// position is up to where events were handed out.
func (h *hub) position() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.visible
}

// reach waits until the hub is at a position that the store has reached.
func (h *hub) reach(ctx context.Context, cursor int64) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*lagTime)
	defer cancel()
	for {
		h.mu.Lock()
		if h.visible >= cursor {
			h.mu.Unlock()
			return true
		}
		if h.moved == nil {
			h.moved = make(chan struct{})
		}
		moved := h.moved
		h.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

// advance moves the position on and wakes who waits for it. mu is held.
func (h *hub) advance(cursor int64) {
	h.visible = cursor
	if h.moved != nil {
		close(h.moved)
		h.moved = nil
	}
}

// deliver hands out notices that came together: who is in several of them is
// written to once, unless that is as much as fills a good part of his queue.
func (h *hub) deliver(ns ...Notice) {
	h.writers.cork()
	defer h.writers.uncork()
	for some := range slices.Chunk(ns, lockMost) {
		h.deliverSome(some)
	}
}

// deliverSome collects events that follow one another and are for the same
// people, so that each of them is looked up and locked once.
func (h *hub) deliverSome(ns []Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var same []*store.Event
	bytes := 0 // of their texts
	flush := func() {
		if len(same) > 0 {
			h.publish(same)
		}
		same, bytes = same[:0], 0
	}
	at := h.visible // with what is collected
	for i := range ns {
		n := &ns[i]
		if n.Signal != nil {
			flush()
			h.push(n.Audience, newPushItem(0, n.Signal))
			continue
		}
		if n.Prev > at {
			flush()
			h.advance(at)
			h.lagLocked(n.Prev)
			at = n.Prev
		}
		for j := range n.Events {
			e := &n.Events[j]
			if e.Cursor <= at { // of a position there may be two, which read differently
				continue
			}
			if len(same) == sameMost || bytes > sameBytes || len(same) > 0 && !together(same[0], e) {
				flush()
			}
			same = append(same, e)
			bytes += len(e.Text)
		}
		at = max(at, n.Cursor)
	}
	flush()
	h.advance(at)
}

// together says that two events are for the same people, and read the same.
func together(a, b *store.Event) bool {
	return !isPersonal(a) && !isPersonal(b) && len(a.Audience) == len(b.Audience) &&
		(len(a.Audience) == 0 || &a.Audience[0] == &b.Audience[0]) // the store keeps one for each group
}

// push needs mu. It counts as if all were pushed to the same subscriber.
func (h *hub) push(audience []int64, its ...*item) {
	before := h.pushes
	for _, user := range audience {
		for _, s := range h.people[user] {
			s.push(its...)
			h.pushes++
		}
	}
	if h.pushes == before {
		return
	}
	for _, it := range its {
		h.corked.add(it, +1)
	}
	if h.pushes > corkMost || h.corked.bytes > corkBytes || h.corked.items > corkItems {
		h.pushes, h.corked = 0, size{}
		h.writers.uncork()
		h.writers.cork()
	}
}

// publish hands out events that are together. They are encoded once, and only if
// somebody is there; one with addresses that are signed for their viewer once for
// each of them. It needs mu.
func (h *hub) publish(events []*store.Event) {
	if e := events[0]; isPersonal(e) {
		for _, user := range e.Audience {
			if len(h.people[user]) > 0 {
				h.push([]int64{user}, newPushItem(e.Cursor, h.encode(e, user)))
			}
		}
		return
	}
	audience := events[0].Audience
	first := slices.IndexFunc(audience, func(user int64) bool { return len(h.people[user]) > 0 })
	if first < 0 {
		return
	}
	its := make([]*item, len(events))
	for i, e := range events {
		its[i] = newPushItem(e.Cursor, h.encode(e, 0))
	}
	h.push(audience[first:], its...)
}

// lagLocked tells everybody to read what was lost up to a position. It needs mu.
func (h *hub) lagLocked(upTo int64) {
	from := h.visible
	h.advance(upTo)
	for _, subs := range h.people {
		for _, s := range subs {
			s.lag(from)
		}
	}
}

// tick implements ticker: it notices that the last notices were lost.
func (h *hub) tick(time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count == 0 || h.closed {
		h.ticking = false
		return 0
	}
	if at := h.log(); at > h.visible && h.visible == h.checked {
		h.lagLocked(at)
	}
	h.checked = h.visible
	return lagTime
}

// revoke ends the subscribers of a user whose account session fits.
func (h *hub) revoke(user int64, fits func(authID string) bool) {
	for _, s := range h.of(user) {
		if _, id := s.who(); fits(id) {
			s.revoke()
		}
	}
}

// of returns the subscribers of a user.
func (h *hub) of(user int64) []subscriber {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.people[user])
}

// close admits nobody any more.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

// size is the number of subscribers.
func (h *hub) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}
