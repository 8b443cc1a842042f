package account

import (
	"context"
	"slices"
	"sync"
	"time"
)

// maxBlocks is how many others one user may block.
const maxBlocks = 10_000

// Block is that one user blocks another. It counts in all services.
type Block struct {
	ID      int64 // grows with each block, also with one that is made again
	UserID  int64
	OtherID int64
	At      time.Time
}

// Block has user block other; it may do so already. ErrNotFound: one of the two
// does not exist. ErrTooManyBlocks: user blocks too many others.
func (d *Directory) Block(ctx context.Context, user, other int64) error {
	if user == other {
		return &Invalid{"user", "cannot be oneself"}
	}
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	return s.Block(ctx, Block{UserID: user, OtherID: other, At: now()}, maxBlocks)
}

// Unblock ends that user blocks other, where that is so.
func (d *Directory) Unblock(ctx context.Context, user, other int64) error {
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	return s.Unblock(ctx, user, other)
}

// Blocks returns up to limit blocks that user made, the newest first. The next
// page is after the ID of the last one; after 0 is the first page.
func (d *Directory) Blocks(ctx context.Context, user, after int64, limit int) ([]Block, error) {
	s, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	return s.Blocks(ctx, user, after, clamp(limit))
}

// Blocked reports whether a blocks b or b blocks a. It is as fast as BlockedSet.
func (d *Directory) Blocked(ctx context.Context, a, b int64) (bool, error) {
	if s, ok := d.blocks.get(b); ok {
		return s.Has(a), nil
	}
	s, err := d.BlockedSet(ctx, a)
	if err != nil {
		return false, err
	}
	return s.Has(b), nil
}

// BlockedSet returns whom user blocks and who blocks user, as of now. It is fast
// enough to be asked for every message: sets in use are kept in memory, and
// forgotten the moment that they change.
func (d *Directory) BlockedSet(ctx context.Context, user int64) (*BlockedSet, error) {
	if s, ok := d.blocks.get(user); ok {
		return s, nil
	}
	gen := d.blocks.generation()
	st, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	s := &BlockedSet{}
	if s.blocks, s.blockedBy, err = st.BlockedBoth(ctx, user); err != nil {
		return nil, err
	}
	d.blocks.put(user, s, gen)
	return s, nil
}

// BlockedSet is whom a user blocks and who blocks that user, at one moment. It
// never changes. A nil BlockedSet is empty.
type BlockedSet struct{ blocks, blockedBy []int64 } // ascending

// Has reports whether one of the two blocks the other.
func (s *BlockedSet) Has(other int64) bool { return s.Blocks(other) || s.BlockedBy(other) }

// Blocks reports whether the user blocks other.
func (s *BlockedSet) Blocks(other int64) bool {
	if s == nil {
		return false
	}
	_, ok := slices.BinarySearch(s.blocks, other)
	return ok
}

// BlockedBy reports whether other blocks the user.
func (s *BlockedSet) BlockedBy(other int64) bool {
	if s == nil {
		return false
	}
	_, ok := slices.BinarySearch(s.blockedBy, other)
	return ok
}

// All returns everybody for whom Has is true, ascending.
func (s *BlockedSet) All() []int64 {
	if s == nil {
		return nil
	}
	all := slices.Concat(s.blocks, s.blockedBy)
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *BlockedSet) size() int { return len(s.blocks) + len(s.blockedBy) + setCost }

// Bounds of the cache: maxBlockSets sets, maxBlockCost ids of 8 bytes. A set
// without ids costs as much as setCost.
const (
	maxBlockSets = 50_000
	maxBlockCost = 2 << 20
	setCost      = 16
)

// blockCache keeps the sets in use by user. Everything that changes them comes
// through drop.
type blockCache struct {
	mu   sync.RWMutex
	gen  uint64                // guarded by mu; counts drops
	cost int                   // guarded by mu; sizes of all sets
	sets map[int64]*BlockedSet // guarded by mu
}

func newBlockCache() *blockCache { return &blockCache{sets: map[int64]*BlockedSet{}} }

func (c *blockCache) get(user int64) (*BlockedSet, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s, ok := c.sets[user]
	return s, ok
}

func (c *blockCache) generation() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.gen
}

// put keeps what was read from the store since generation gen, unless something
// changed meanwhile: then it may be stale.
func (c *blockCache) put(user int64, s *BlockedSet, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen != gen || s.size() > maxBlockCost {
		return
	}
	c.remove(user)
	for k := range c.sets { // any ones
		if len(c.sets) < maxBlockSets && c.cost+s.size() <= maxBlockCost {
			break
		}
		c.remove(k)
	}
	c.sets[user] = s
	c.cost += s.size()
}

// remove is called with mu held.
func (c *blockCache) remove(user int64) {
	if s, ok := c.sets[user]; ok {
		c.cost -= s.size()
		delete(c.sets, user)
	}
}

// drop forgets what ch made stale. Sets may go on naming a user who was deleted:
// nobody is there to be let through.
func (c *blockCache) drop(ch Change) {
	switch ch.Kind {
	case Blocked, Unblocked, Deleted, Lost:
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	if ch.Kind == Lost {
		clear(c.sets)
		c.cost = 0
		return
	}
	c.remove(ch.UserID)
	c.remove(ch.OtherID)
}
