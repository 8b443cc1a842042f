package account

import "crypto/sha256"

// CheapHashes replaces argon2 in d, so that tests of rules do not wait for it.
func CheapHashes(d *Directory) {
	d.hash.key = func(password, salt []byte, _, _ uint32, _ uint8, _ uint32) []byte {
		sum := sha256.Sum256(append(append([]byte{}, salt...), password...))
		return sum[:]
	}
}

// Hashes is how often d has derived a key.
func Hashes(d *Directory) int64 { return d.hash.calls.Load() }

// HoldHashes takes all turns to derive keys.
func HoldHashes(d *Directory) (release func()) {
	for range hashesAtOnce {
		d.hash.slots <- struct{}{}
	}
	return func() {
		for range hashesAtOnce {
			<-d.hash.slots
		}
	}
}

// HashesQueued is how many derivations wait or are under way.
func HashesQueued(d *Directory) int64 { return d.hash.queued.Load() }

// MaxHashesQueued is the bound of HashesQueued.
const MaxHashesQueued = hashesQueued

// ParsePHC reports whether s is a hash that could be checked.
func ParsePHC(s string) bool {
	_, ok := parsePHC(s)
	return ok
}

// SetHashCost changes the number of passes of new hashes.
func SetHashCost(d *Directory, passes uint32) { d.hash.cost.time = passes }

// BlockSetsCached is how many sets of blocks d has in memory, and their cost.
func BlockSetsCached(d *Directory) (sets, cost int) {
	d.blocks.mu.RLock()
	defer d.blocks.mu.RUnlock()
	return len(d.blocks.sets), d.blocks.cost
}

// FillBlockCache puts n sets of size ids each into the cache.
func FillBlockCache(d *Directory, n, size int) {
	for i := range n {
		d.blocks.put(int64(i+1), &BlockedSet{blocks: make([]int64, size)}, d.blocks.generation())
	}
}

const (
	MaxBlockSets = maxBlockSets
	MaxBlockCost = maxBlockCost
)

// Verifies is the check of PKCE.
var Verifies = verifies
