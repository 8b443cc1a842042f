package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	maxSessions = 100         // per user, service and app; the longest unseen ends
	seenEvery   = time.Minute // how exact SeenAt is
	seenFlush   = 10 * time.Second
	maxSeen     = 10_000 // sessions whose SeenAt waits to be stored
)

// StartSession makes a session of u, as SignIn, SignUp or Verify returned it, at
// s.Service; s.UserID need not be set. The token is the only copy. ErrCredentials:
// the password was changed, or all sessions were ended, since u was returned;
// ErrNotFound and ErrSuspended as they say.
func (d *Directory) StartSession(ctx context.Context, u User, s Session) (token string, _ Session, err error) {
	s.UserID = u.ID
	return d.newSession(ctx, s, u.Generation)
}

// NewSession makes a session of s.UserID, or of the app s.AppID without a user,
// at s.Service. The token is the only copy. It does not notice that the password
// was changed since the user gave it; StartSession does.
func (d *Directory) NewSession(ctx context.Context, s Session) (token string, _ Session, err error) {
	return d.newSession(ctx, s, 0)
}

func (d *Directory) newSession(ctx context.Context, s Session, generation int64) (token string, _ Session, err error) {
	if s.Service == "" || s.UserID == 0 && s.AppID == 0 {
		return "", Session{}, errors.New("a session needs a service and a user or an app")
	}
	st, err := d.open(ctx)
	if err != nil {
		return "", Session{}, err
	}
	token, s = prepare(s)
	if err := st.AddSession(ctx, s, hashOf(token), generation, maxSessions); err != nil {
		return "", Session{}, err
	}
	return token, s, nil
}

// prepare fills in what a new session has.
func prepare(s Session) (token string, _ Session) {
	s.ID = newSecret("s_", 12)
	s.Device, s.Scopes = cut(s.Device, maxDevice), cut(s.Scopes, maxScopes)
	s.CreatedAt = now()
	s.SeenAt = s.CreatedAt
	return newSecret("pt_", 32), s
}

// Verify returns whose token it is. ErrToken: it is not valid at service;
// ErrSuspended: its user is suspended. A session of an app alone has the zero
// User. It is fast: what is in use is kept in memory, and forgotten the moment
// that the account or the session changes.
func (d *Directory) Verify(ctx context.Context, service, token string) (User, Session, error) {
	if len(token) > 128 || service == "" {
		return User{}, Session{}, ErrToken
	}
	h := hashOf(token)
	e, ok := d.cache.get(h)
	if !ok {
		gen := d.cache.generation()
		s, err := d.open(ctx)
		if err != nil {
			return User{}, Session{}, err
		}
		if e.user, e.session, err = s.SessionByToken(ctx, h); err != nil {
			return User{}, Session{}, err
		}
		d.cache.put(h, e, gen)
	}
	switch {
	case e.session.Service != service:
		return User{}, Session{}, ErrToken
	case e.user.Suspended:
		return User{}, Session{}, ErrSuspended
	}
	e.session.SeenAt = d.seen.note(e.session)
	return e.user, e.session, nil
}

// Sessions returns a user's sessions at a service, the last seen first; at all
// services where service is empty.
func (d *Directory) Sessions(ctx context.Context, userID int64, service string) ([]Session, error) {
	s, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.seen.flush(ctx); err != nil {
		return nil, err
	}
	return s.SessionsOf(ctx, userID, service)
}

// EndSession ends a session by its id. ErrToken: the user has none such at the
// service; an empty service stands for any.
func (d *Directory) EndSession(ctx context.Context, userID int64, service, id string) error {
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	return s.EndSession(ctx, userID, service, id)
}

// EndSessions ends all sessions of a user at a service but the one with the id
// keep; at all services, with authorization codes, where service is empty.
func (d *Directory) EndSessions(ctx context.Context, userID int64, service, keep string) error {
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	return s.EndSessions(ctx, userID, service, keep)
}

// cache keeps sessions in use by the hash of their token. Everything that
// changes them comes through drop.
type cache struct {
	mu      sync.Mutex
	gen     uint64             // guarded by mu; counts drops
	entries map[Hash]cacheItem // guarded by mu
}

type cacheItem struct {
	user    User
	session Session
}

// maxCached bounds the cache: about 1 MB.
const maxCached = 2048

func newCache() *cache { return &cache{entries: map[Hash]cacheItem{}} }

func (c *cache) get(h Hash) (cacheItem, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[h]
	return e, ok
}

func (c *cache) generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gen
}

// put keeps what was read from the store since generation gen, unless something
// changed meanwhile: then it may be stale.
func (c *cache) put(h Hash, e cacheItem, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen != gen {
		return
	}
	if len(c.entries) >= maxCached {
		for k := range c.entries { // any one
			delete(c.entries, k)
			break
		}
	}
	c.entries[h] = e
}

// drop forgets what ch made stale.
func (c *cache) drop(ch Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	for h, e := range c.entries {
		if ch.Kind == SessionEnded && e.session.ID == ch.SessionID ||
			ch.Kind != SessionEnded && e.user.ID == ch.UserID || ch.Kind == Lost {
			delete(c.entries, h)
		}
	}
}

// seen collects when sessions were seen and stores it now and then: it is not
// worth a sync for every request.
type seen struct {
	d *Directory

	mu     sync.Mutex
	last   map[string]time.Time // guarded by mu; by session id
	dirty  map[string]time.Time // guarded by mu; what the store does not have
	timer  *time.Timer          // guarded by mu; runs while dirty is not empty
	closed bool                 // guarded by mu
}

func newSeen(d *Directory) *seen {
	return &seen{d: d, last: map[string]time.Time{}, dirty: map[string]time.Time{}}
}

// note returns when s was seen last, to the minute.
func (n *seen) note(s Session) time.Time {
	t := now()
	n.mu.Lock()
	defer n.mu.Unlock()
	last := n.last[s.ID]
	if last.Before(s.SeenAt) {
		last = s.SeenAt
	}
	if age := t.Sub(last); age < seenEvery && age >= -MaxAhead || n.closed || len(n.dirty) >= maxSeen {
		return last
	}
	if len(n.last) >= maxSeen {
		clear(n.last) // costs each a write at most
	}
	n.last[s.ID], n.dirty[s.ID] = t, t
	if n.timer == nil {
		n.timer = time.AfterFunc(seenFlush, func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			// What fails here fails again, and is reported, where it matters.
			_ = n.flush(ctx)
		})
	}
	return t
}

// flush stores what is not stored yet. What cannot be stored is dropped.
func (n *seen) flush(ctx context.Context) error {
	n.mu.Lock()
	dirty := n.dirty
	n.dirty = map[string]time.Time{}
	if n.timer != nil {
		n.timer.Stop()
		n.timer = nil
	}
	n.mu.Unlock()
	if len(dirty) == 0 {
		return nil
	}
	s, err := n.d.open(ctx)
	if err != nil {
		return err
	}
	if err := s.SetSeen(ctx, dirty); err != nil {
		return fmt.Errorf("note sessions in use: %w", err)
	}
	return nil
}

func (n *seen) close() error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return n.flush(ctx)
}
