package upstream

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"math"
)

// Balance is how one of several upstreams is chosen.
type Balance string

// The ways to choose. Each takes weights into account.
const (
	RoundRobin       Balance = "round_robin"       // in turn
	LeastConnections Balance = "least_connections" // who has the fewest
	Hash             Balance = "hash"              // the same key, the same upstream
)

// choose picks one of the candidates, which are not empty.
func choose(b Balance, candidates []*Upstream, key string) *Upstream {
	switch b {
	case Hash:
		return rendezvous(candidates, key)
	case LeastConnections:
		candidates = fewest(candidates)
	}
	return inTurn(candidates)
}

// inTurn is smooth weighted round robin: of weights 5, 1, 1 it makes
// a a b a c a a, not a a a a a b c.
func inTurn(candidates []*Upstream) *Upstream {
	var best *Upstream
	total := 0
	for _, u := range candidates {
		u.turn += u.Weight
		total += u.Weight
		if best == nil || u.turn > best.turn {
			best = u
		}
	}
	best.turn -= total
	return best
}

// fewest keeps, in place, those with the fewest leases for their weight.
func fewest(candidates []*Upstream) []*Upstream {
	keep := candidates[:0]
	for _, u := range candidates {
		if len(keep) > 0 {
			mine, least := u.busy*keep[0].Weight, keep[0].busy*u.Weight
			if mine > least {
				continue
			}
			if mine < least {
				keep = keep[:0]
			}
		}
		keep = append(keep, u)
	}
	return keep
}

// rendezvous hashing: every upstream draws a number for the key and the best one
// wins. When an upstream comes or goes, only the keys that it wins move; the
// numbers depend on addresses alone, so that every process agrees.
func rendezvous(candidates []*Upstream, key string) *Upstream {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // never fails
	k := h.Sum64()
	var best *Upstream
	score := math.Inf(1)
	for _, u := range candidates {
		draw := (float64(mix(k^u.seed)>>11) + 0.5) / (1 << 53) // in (0, 1)
		if s := -math.Log(draw) / float64(u.Weight); s < score {
			best, score = u, s
		}
	}
	return best
}

// mix is the finalizer of splitmix64: each bit of x changes half of the result.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// identify makes of an address what it is known by outside, which does not show
// it, and its seed for rendezvous.
func identify(a Address) (id string, seed uint64) {
	sum := sha256.Sum256([]byte("portico upstream " + a.String()))
	return hex.EncodeToString(sum[:8]), binary.BigEndian.Uint64(sum[8:])
}
