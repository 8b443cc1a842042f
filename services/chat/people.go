package chat

import (
	"context"
	"sync"

	"github.com/porticod/portico/pkg/account"
)

// maxProfiles is how many users are kept in memory.
const maxProfiles = 20_000

// profiles are the users that are asked for with every message. They are
// forgotten the moment that they change.
type profiles struct {
	mu    sync.RWMutex
	gen   uint64                 // guarded by mu; counts changes
	users map[int64]account.User // guarded by mu
}

// profile returns a user, ErrNotFound for one that is gone.
func (c *Chat) profile(ctx context.Context, id int64) (account.User, error) {
	p := &c.profiles
	p.mu.RLock()
	u, ok := p.users[id]
	gen := p.gen
	p.mu.RUnlock()
	if ok {
		return u, nil
	}
	u, err := c.accounts.User(ctx, id)
	if err != nil {
		return account.User{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gen != gen { // what was read may be older than the change
		return u, nil
	}
	if len(p.users) >= maxProfiles || p.users == nil {
		p.users = map[int64]account.User{} // they are read again
	}
	p.users[id] = u
	return u, nil
}

func (p *profiles) forget(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gen++
	delete(p.users, id)
}
