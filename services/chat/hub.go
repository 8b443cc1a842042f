package chat

import (
	"sync"

	"github.com/porticod/portico/services/chat/store"
)

// A hub knows who is connected and hands committed events to them. It keeps
// nothing: what a subscriber misses is in the store.
type hub struct {
	mu      sync.Mutex
	people  map[int64]map[subscriber]struct{} // by user id; guarded by mu
	visible int64                             // every event up to here was handed out; guarded by mu
	closed  bool                              // guarded by mu
	count   int                               // of subscribers; guarded by mu
}

// A subscriber is one connection, event stream or long poll of a user.
type subscriber interface {
	// who returns the user's id and the account session behind the connection.
	who() (user int64, authID string)
	// hold starts the collecting of events, push hands one over. Both are called
	// with the hub's lock held and must not block.
	hold()
	push(it item)
	// revoke ends it because its token is no longer good.
	revoke()
}

func newHub(visible int64) *hub {
	return &hub{people: map[int64]map[subscriber]struct{}{}, visible: visible}
}

// join adds s, deaf, unless its user has limit subscribers already.
func (h *hub) join(s subscriber, limit int) (ok bool) {
	user, _ := s.who()
	h.mu.Lock()
	defer h.mu.Unlock()
	subs := h.people[user]
	if h.closed || len(subs) >= limit {
		return false
	}
	if subs == nil {
		subs = map[subscriber]struct{}{}
		h.people[user] = subs
	}
	subs[s] = struct{}{}
	h.count++
	return true
}

// leave forgets s. It may be called more than once.
func (h *hub) leave(s subscriber) {
	user, _ := s.who()
	h.mu.Lock()
	defer h.mu.Unlock()
	subs := h.people[user]
	if _, ok := subs[s]; !ok {
		return
	}
	h.count--
	if delete(subs, s); len(subs) == 0 {
		delete(h.people, user)
	}
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

// publish hands out the events of one commit. The store calls it in the order
// of cursors. Each event is encoded once, and only if somebody is there.
func (h *hub) publish(events []store.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range events {
		e := &events[i]
		var it item
		for _, user := range e.Audience {
			for s := range h.people[user] {
				if it.data == nil {
					it = item{kind: itemEvent, cursor: e.Cursor, data: encodeEvent(e)}
				}
				s.push(it)
			}
		}
		h.visible = e.Cursor
	}
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
	var subs []subscriber
	for s := range h.people[user] {
		subs = append(subs, s)
	}
	return subs
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
