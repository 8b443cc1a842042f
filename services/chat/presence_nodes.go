package chat

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/bus"
)

// Of who is online on other nodes.
const (
	beatEvery = 5 * time.Second  // a node says that it is there
	nodeLife  = 15 * time.Second // without a word it is gone, with all who were there
	wantEvery = time.Second      // a node is asked who is there, at most

	maxNodes   = 64
	packUsers  = 50_000 // in one message
	maxRemotes = 20_000 // changes that wait to be announced; more are not
)

// A presenceMessage is what nodes tell one another. Each counts its changes, so
// that a loss shows and the others ask for everything.
type presenceMessage struct {
	Node    string           `json:"node"`
	Count   uint64           `json:"count"` // of changes, with those here
	Changes []presenceChange `json:"changes,omitempty"`
	All     *presencePart    `json:"all,omitempty"`
	Want    string           `json:"want,omitempty"` // the node that is asked for everything; "*": all
}

type presenceChange struct {
	User   int64 `json:"user"`
	Online bool  `json:"online"`
	At     int64 `json:"at"` // Unix milliseconds
}

// A presencePart is some of those who are online on a node.
type presencePart struct {
	Users []byte `json:"users"` // packed
	First bool   `json:"first,omitempty"`
	Last  bool   `json:"last,omitempty"`
}

// A remoteNode is another node, as far as this one knows.
type remoteNode struct {
	heard, asked time.Time
	count        uint64
	whole        bool // nothing is missing
	users        map[int64]struct{}
	coming       map[int64]struct{} // of everything, while it comes in parts
}

// A remotes is who is online on other nodes. Each node tells its own clients: of
// who is on none any more, or was on none before.
type remotes struct {
	self  string
	wire  bus.Bus
	topic string
	wake  chan struct{} // there is something to announce

	mu    sync.Mutex
	count uint64                 // of this node's changes; guarded by mu
	nodes map[string]*remoteNode // guarded by mu
	on    map[int64]int          // by user: on how many other nodes; guarded by mu
	todo  []presenceChange       // guarded by mu
}

func newRemotes(wire bus.Bus, topic string) *remotes {
	return &remotes{
		self: rand.Text(), wire: wire, topic: topic, wake: make(chan struct{}, 1),
		nodes: map[string]*remoteNode{}, on: map[int64]int{},
	}
}

// has says that a user is online on another node.
func (r *remotes) has(user int64) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.on[user] > 0
}

// of returns those of users who are online on other nodes.
func (r *remotes) of(users []int64) (ids []int64) {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range users {
		if r.on[u] > 0 {
			ids = append(ids, u)
		}
	}
	return ids
}

// tell says to the other nodes what changed here. The presence's lock is held, so
// that changes are told in their order.
func (r *remotes) tell(user int64, online bool, at time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	r.say(presenceMessage{Changes: []presenceChange{{user, online, at.UnixMilli()}}})
}

// say needs mu.
func (r *remotes) say(m presenceMessage) {
	if !r.wire.Others() {
		return
	}
	m.Node, m.Count = r.self, r.count
	if b, err := json.Marshal(m); err == nil { // it always can
		r.wire.Publish(r.topic, b)
	}
}

// sayAll tells who is online here. The presence's lock is held.
func (r *remotes) sayAll(online map[int64]struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	part := make([]int64, 0, min(len(online), packUsers))
	first, left := true, len(online)
	say := func() {
		r.say(presenceMessage{All: &presencePart{Users: packed(part), First: first, Last: left == 0}})
		part, first = part[:0], false
	}
	for user := range online {
		part = append(part, user)
		if left--; len(part) == packUsers && left > 0 {
			say()
		}
	}
	say()
}

// hear takes in what another node says. all: this one is asked for everything.
func (r *remotes) hear(m presenceMessage, now time.Time) (all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.Node == r.self || m.Node == "" {
		return false
	}
	n := r.nodes[m.Node]
	if n == nil {
		if len(r.nodes) >= maxNodes {
			return false
		}
		n = &remoteNode{users: map[int64]struct{}{}}
		r.nodes[m.Node] = n
	}
	n.heard = now
	if m.Count != n.count+uint64(len(m.Changes)) {
		n.whole, n.coming = false, nil
	}
	n.count = m.Count
	for _, ch := range m.Changes {
		r.set(n, ch)
		if n.coming != nil {
			n.whole, n.coming = false, nil // it began before this change
		}
	}
	if m.All != nil {
		r.take(n, m.All, now)
	}
	patience := wantEvery
	if n.coming != nil {
		patience = beatEvery
	}
	if !n.whole && now.Sub(n.asked) >= patience {
		n.asked = now
		r.say(presenceMessage{Want: m.Node})
	}
	return m.Want == r.self || m.Want == "*"
}

// take adds a part of everything, and has it be so with the last one. It needs mu.
func (r *remotes) take(n *remoteNode, part *presencePart, now time.Time) {
	users, ok := unpacked(part.Users)
	if part.First {
		n.coming = map[int64]struct{}{}
	}
	if !ok || n.coming == nil {
		n.whole, n.coming = false, nil
		return
	}
	for _, u := range users {
		n.coming[u] = struct{}{}
	}
	if !part.Last {
		return
	}
	for u := range maps.Clone(n.users) {
		if _, ok := n.coming[u]; !ok {
			r.set(n, presenceChange{u, false, now.UnixMilli()})
		}
	}
	for u := range n.coming {
		r.set(n, presenceChange{u, true, now.UnixMilli()})
	}
	n.whole, n.coming = true, nil
}

// set notes where a user is, and has it announced where that matters. It needs mu.
func (r *remotes) set(n *remoteNode, ch presenceChange) {
	_, was := n.users[ch.User]
	switch {
	case was == ch.Online:
		return
	case ch.Online:
		n.users[ch.User] = struct{}{}
		if r.on[ch.User]++; r.on[ch.User] > 1 {
			return
		}
	default:
		delete(n.users, ch.User)
		if r.on[ch.User]--; r.on[ch.User] > 0 {
			return
		}
		delete(r.on, ch.User)
	}
	if len(r.todo) < maxRemotes {
		r.todo = append(r.todo, ch)
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// beat says that this node is there, and forgets those that are not.
func (r *remotes) beat(now time.Time, want string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.say(presenceMessage{Want: want})
	for name, n := range r.nodes {
		if now.Sub(n.heard) < nodeLife {
			continue
		}
		delete(r.nodes, name)
		for u := range maps.Clone(n.users) {
			r.set(n, presenceChange{u, false, n.heard.UnixMilli()})
		}
	}
}

// taken returns what is to be announced.
func (r *remotes) taken() []presenceChange {
	r.mu.Lock()
	defer r.mu.Unlock()
	todo := r.todo
	r.todo = nil
	return todo
}

// hearPresence is called with what other nodes say.
func (c *Chat) hearPresence(batch [][]byte) {
	p := c.presence
	for _, data := range batch {
		var m presenceMessage
		if json.Unmarshal(data, &m) != nil {
			continue // of another version; what it says is asked for again
		}
		if !p.remote.hear(m, time.Now()) {
			continue
		}
		p.mu.Lock()
		p.remote.sayAll(p.online)
		p.mu.Unlock()
	}
}

// followPresence is the goroutine that announces who came and went on other nodes.
func (c *Chat) followPresence(ctx context.Context) {
	p, r := c.presence, c.presence.remote
	defer r.wire.Subscribe(r.topic, c.hearPresence)()
	beats := time.NewTicker(beatEvery)
	defer beats.Stop()
	r.beat(time.Now(), "*")
	for {
		select {
		case now := <-beats.C:
			r.beat(now, "")
		case <-r.wake:
			for _, ch := range r.taken() {
				if at, ok := p.elsewhere(ch); ok && ctx.Err() == nil {
					c.announceHere(ctx, ch.User, ch.Online, at)
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// elsewhere notes a change on another node; ok says that it makes a difference.
func (p *presence) elsewhere(ch presenceChange) (at time.Time, ok bool) {
	at = time.UnixMilli(ch.At)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, here := p.online[ch.User]; here || p.remote.has(ch.User) != ch.Online {
		return at, false
	}
	if !ch.Online {
		p.saw(ch.User, at)
	}
	return at, true
}
