package photos

import "sync"

// How many uploads may be on their way at a time. Each takes up to max_upload
// of disk, ten times that from the page, for as long as its client takes; more
// are told to come again.
const (
	maxUploads     = 128
	maxUploadsUser = 8
)

// A gate counts uploads on their way. The zero gate is open.
type gate struct {
	mu     sync.Mutex
	total  int           // guarded by mu
	byUser map[int64]int // guarded by mu; without zeros
}

// enter lets an upload of user in; the caller leaves.
func (g *gate) enter(user int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total >= maxUploads || g.byUser[user] >= maxUploadsUser {
		return errUploads
	}
	if g.byUser == nil {
		g.byUser = map[int64]int{}
	}
	g.total++
	g.byUser[user]++
	return nil
}

func (g *gate) leave(user int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if g.byUser[user]--; g.byUser[user] == 0 {
		delete(g.byUser, user)
	}
}
