package photos

import (
	"sync"

	"github.com/porticod/portico/pkg/ratelimit"
)

// How many uploads may be on their way at a time. Each takes up to max_upload
// of disk, ten times that from the page, for as long as its client takes; more
// are told to come again.
const (
	maxUploads     = 128 // at this node
	maxUploadsUser = 8   // of one account, at all nodes
)

// A gate counts uploads on their way.
type gate struct {
	users *ratelimit.Crowd[int64]

	mu    sync.Mutex
	total int // guarded by mu
}

func newGate() *gate { return &gate{users: ratelimit.NewCrowd[int64]()} }

// enter lets an upload of user in; the caller leaves.
func (g *gate) enter(user int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total >= maxUploads || !g.users.Enter(user, maxUploadsUser) {
		return errUploads
	}
	g.total++
	return nil
}

func (g *gate) leave(user int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	g.users.Leave(user)
}
