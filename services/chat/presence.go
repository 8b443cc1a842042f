package chat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/ratelimit"
	"github.com/porticod/portico/services/chat/store"
)

const (
	offlineTime = 20 * time.Second // without a connection
	maxWatched  = 100
	maxPeers    = 1000    // who hear of somebody's presence
	maxLastSeen = 100_000 // users whose last connection is remembered
	typingTime  = 3 * time.Second
)

// presence is who is online. It is kept in memory only: after a restart the
// accounts know roughly when somebody was here last.
type presence struct {
	grace  time.Duration // offlineTime
	remote *remotes      // nil: there are no other nodes

	mu       sync.Mutex
	online   map[int64]struct{}  // guarded by mu
	leaving  map[int64]time.Time // without a connection since; guarded by mu
	lastSeen map[int64]time.Time // guarded by mu
}

func newPresence() *presence {
	return &presence{
		grace: offlineTime, online: map[int64]struct{}{}, leaving: map[int64]time.Time{}, lastSeen: map[int64]time.Time{},
	}
}

// arrived says that a subscriber has joined.
func (c *Chat) arrived(s subscriber) {
	if !s.present() {
		return
	}
	user, _ := s.who()
	p := c.presence
	now := time.Now()
	p.mu.Lock()
	known := p.cameLocked(user, now)
	p.mu.Unlock()
	if !known {
		c.announce(user, true, now)
	}
	if s, ok := s.(*session); ok {
		c.greet(s)
	}
}

// cameLocked notes that a user has a connection here; known says that he was online
// before, here or on another node. It needs mu.
func (p *presence) cameLocked(user int64, now time.Time) (known bool) {
	delete(p.leaving, user)
	if _, was := p.online[user]; was {
		return true
	}
	p.online[user] = struct{}{}
	p.remote.tell(user, true, now)
	return p.remote.has(user)
}

// saw notes when a user was here last. It needs mu.
func (p *presence) saw(user int64, at time.Time) {
	if len(p.lastSeen) >= maxLastSeen {
		p.lastSeen = map[int64]time.Time{}
	}
	p.lastSeen[user] = at
}

// stays says that a user is online as before: nobody is told.
func (c *Chat) stays(user int64) {
	p := c.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cameLocked(user, time.Now())
}

// left takes a subscriber off the hub. Its user is offline when nobody took its
// place after a while.
func (c *Chat) left(s subscriber) {
	user, _ := s.who()
	if c.hub.leave(s) || user == 0 || !s.present() {
		return
	}
	p, now := c.presence, time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.online[user]; ok {
		p.leaving[user] = now
		c.wheel.add(&departure{c, user, now}, p.grace)
	}
}

// A departure is somebody who may be back.
type departure struct {
	c    *Chat
	user int64
	at   time.Time
}

// tick implements ticker.
func (d *departure) tick(time.Time) time.Duration {
	p := d.c.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.leaving[d.user]; !ok || at != d.at {
		return 0
	}
	delete(p.leaving, d.user)
	delete(p.online, d.user)
	p.remote.tell(d.user, false, d.at)
	if p.remote.has(d.user) {
		return 0
	}
	p.saw(d.user, d.at)
	d.c.announce(d.user, false, d.at)
	return 0
}

// announce tells those who may know and want to. It does not wait.
func (c *Chat) announce(user int64, online bool, at time.Time) {
	if !c.begin() {
		return
	}
	go func() {
		defer c.work.Done()
		c.announceHere(c.ctx, user, online, at)
	}()
}

// announceHere tells those who are connected to this node: every node does.
func (c *Chat) announceHere(ctx context.Context, user int64, online bool, at time.Time) {
	u, err := c.profile(ctx, user)
	if err != nil {
		return // he is gone, and that is told otherwise
	}
	peers, err := c.store.Peers(ctx, user, maxPeers)
	if err != nil {
		c.blame(fmt.Errorf("announce presence: %w", err))
		return
	}
	audience, err := c.mayKnow(ctx, u, c.hub.here(peers), c.hub.watching(user))
	if err != nil {
		c.blame(fmt.Errorf("announce presence: %w", err))
		return
	}
	if len(audience) > 0 {
		c.bus.Publish(Notice{Signal: encode(presenceJSON{"presence", u.Username, online, formatTime(at.UnixMilli())}), Audience: audience, Here: true})
	}
}

// mayKnow are those of peers, with whom u has a direct conversation, and of
// others who may know when u is online, each once.
func (c *Chat) mayKnow(ctx context.Context, u account.User, peers, others []int64) ([]int64, error) {
	if u.LastSeen != account.Everyone && u.LastSeen != account.Contacts {
		return nil, nil
	}
	blocked, err := c.accounts.BlockedSet(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	if u.LastSeen == account.Contacts && len(others) > 0 {
		others = nil // those among them who are contacts are peers
	}
	var ids []int64
	seen := map[int64]bool{u.ID: true}
	for _, list := range [][]int64{peers, others} {
		for _, id := range list {
			if !seen[id] && !blocked.Has(id) {
				ids = append(ids, id)
			}
			seen[id] = true
		}
	}
	return ids, nil
}

// signal pushes what is not stored.
func (c *Chat) signal(v any, audience []int64) {
	if len(audience) > 0 {
		c.bus.Publish(Notice{Signal: encode(v), Audience: audience})
	}
}

// asked are people whose presence somebody asks for.
type asked struct {
	users  map[int64]account.User
	shared []int64 // those with whom he shares a conversation: more is not told of others
}

// ask looks up who is asked for. Names that nobody has are left out.
func (c *Chat) ask(ctx context.Context, viewer int64, names []string) (asked, error) {
	if len(names) > maxWatched {
		return asked{}, badRequest(fmt.Sprintf("at most %d users at a time", maxWatched))
	}
	a := asked{users: map[int64]account.User{}}
	for _, name := range names {
		u, err := c.accounts.UserByName(ctx, name)
		if errors.Is(err, account.ErrNotFound) {
			continue
		} else if err != nil {
			return asked{}, err
		}
		a.users[u.ID] = u
	}
	var err error
	if a.shared, err = c.store.Shared(ctx, viewer, slices.Sorted(maps.Keys(a.users))); err != nil {
		return asked{}, fmt.Errorf("read presence: %w", err)
	}
	return a, nil
}

// presenceOf is what viewer may know of those who are asked for: by name, offline
// where that is nothing.
func (c *Chat) presenceOf(ctx context.Context, viewer int64, a asked) (map[string]presenceJSON, error) {
	peers, err := c.store.Peers(ctx, viewer, maxPeers)
	if err != nil {
		return nil, fmt.Errorf("read presence: %w", err)
	}
	contact := map[int64]bool{}
	for _, p := range peers {
		contact[p] = true
	}
	states := map[string]presenceJSON{}
	for _, u := range a.users {
		states[u.Username] = presenceJSON{}
	}
	for _, id := range a.shared {
		asPeer, asOther := []int64(nil), []int64{viewer}
		if contact[id] {
			asPeer, asOther = asOther, nil
		}
		if ok, err := c.mayKnow(ctx, a.users[id], asPeer, asOther); err != nil {
			return nil, err
		} else if len(ok) > 0 {
			states[a.users[id].Username] = c.stateOf(ctx, id)
		}
	}
	return states, nil
}

func (c *Chat) stateOf(ctx context.Context, user int64) presenceJSON {
	p := c.presence
	p.mu.Lock()
	_, online := p.online[user]
	online = online || p.remote.has(user)
	seen := p.lastSeen[user]
	p.mu.Unlock()
	switch {
	case online:
		seen = time.Now()
	case seen.IsZero():
		if sessions, err := c.accounts.Sessions(ctx, user, c.env.Label()); err == nil && len(sessions) > 0 {
			seen = sessions[0].SeenAt
		}
	}
	if seen.IsZero() {
		return presenceJSON{Online: online}
	}
	return presenceJSON{Online: online, LastSeen: formatTime(seen.UnixMilli())}
}

// watch sets whose presence a session hears of, and tells how it is now.
func (c *Chat) watch(ctx context.Context, s *session, cmd *watchCommand) error {
	a, err := c.ask(ctx, s.user.ID, cmd.Users)
	if err != nil {
		return err
	}
	c.hub.watch(s, a.shared) // first, so that who comes while it is read is not missed
	states, err := c.presenceOf(ctx, s.user.ID, a)
	if err != nil {
		return err
	}
	c.pushStates(s, states)
	return nil
}

func (c *Chat) pushStates(s *session, states map[string]presenceJSON) {
	for _, name := range slices.Sorted(maps.Keys(states)) {
		st := states[name]
		st.Type, st.User = "presence", name
		s.push(newPushItem(0, encode(st)))
	}
}

// greet tells a session which of its user's peers are online, once it is live.
func (c *Chat) greet(s *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.greeted = func() {
		peers, err := c.store.Peers(c.ctx, s.user.ID, maxPeers)
		if err != nil {
			c.blame(fmt.Errorf("read presence: %w", err))
			return
		}
		states := map[string]presenceJSON{}
		near := slices.DeleteFunc(c.hub.here(peers), func(id int64) bool { return !c.hub.present(id) })
		for _, id := range append(near, others(c.presence.remote.of(peers), near)...) {
			u, err := c.profile(c.ctx, id)
			if err != nil {
				continue
			}
			if ok, err := c.mayKnow(c.ctx, u, []int64{s.user.ID}, nil); err == nil && len(ok) > 0 {
				states[u.Username] = c.stateOf(c.ctx, id)
			}
		}
		c.pushStates(s, states)
	}
}

// others are those of ids that are not in known.
func others(ids, known []int64) []int64 {
	return slices.DeleteFunc(ids, func(id int64) bool { return slices.Contains(known, id) })
}

// typingKey is who types where.
type typingKey struct {
	user int64
	conv store.ConvID
}

func newTypingLimit() *ratelimit.Limiter[typingKey] {
	return ratelimit.New[typingKey](1/typingTime.Seconds(), 1, 10_000)
}

// typing tells the others of a conversation that is not too large. What comes too
// often is left out.
func (c *Chat) typing(ctx context.Context, me store.Person, cmd *typingCommand) error {
	conv, err := parseConv(cmd.Conv)
	if err != nil {
		return err
	}
	kind, others, err := c.store.Companions(ctx, me.ID, conv, store.MaxMarkAudience)
	if err != nil {
		return fmt.Errorf("find who is there: %w", err)
	}
	if len(others) >= store.MaxMarkAudience {
		return nil
	}
	if kind == store.Direct && len(others) == 1 {
		if blocked, err := c.accounts.Blocked(ctx, me.ID, others[0]); blocked || err != nil {
			return err
		}
	}
	if isOn(cmd.On) && !c.typists.Allow(typingKey{me.ID, conv}, time.Now()) {
		return nil
	}
	c.signal(typingJSON{"typing", convName(conv), me.Username, isOn(cmd.On)}, others)
	return nil
}
