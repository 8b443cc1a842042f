// Package memory tells when the process has reached a bound of memory that it
// was given, so that it takes on no more work instead of being killed for it. It
// refuses nothing itself.
package memory

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	lookEvery = 100 * time.Millisecond
	freeEvery = 5 * time.Second // collecting garbage by force costs; not more often
)

// A Guard compares what the process uses with a bound. The zero Guard has none.
// It is safe for concurrent use.
type Guard struct {
	limit atomic.Int64 // bytes; 0: none
	full  atomic.Bool
	freed time.Time // of Watch
	used  func() int64
}

// SetLimit changes the bound, in bytes; 0 means none. From three quarters of it
// on Go collects garbage more often, unless GOMEMLIMIT says something else.
func (g *Guard) SetLimit(bytes int64) {
	if g.limit.Swap(bytes) == bytes || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	soft := int64(math.MaxInt64)
	if bytes > 0 {
		soft = bytes / 4 * 3
	}
	debug.SetMemoryLimit(soft)
}

// Full reports that the bound was reached, and that not a tenth of it is free
// again.
func (g *Guard) Full() bool { return g.full.Load() }

// Limit is the bound in bytes; 0: none.
func (g *Guard) Limit() int64 { return g.limit.Load() }

// Watch looks until ctx ends. turned is called when Full changes.
func (g *Guard) Watch(ctx context.Context, turned func(full bool, used int64)) {
	ticks := time.NewTicker(lookEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			g.look(now, turned)
		}
	}
}

func (g *Guard) look(now time.Time, turned func(full bool, used int64)) {
	limit, was := g.limit.Load(), g.full.Load()
	if limit == 0 && !was {
		return
	}
	used := g.measure()
	is := limit > 0 && (used >= limit || was && used >= limit/10*9)
	if is && now.Sub(g.freed) >= freeEvery {
		g.freed = now
		debug.FreeOSMemory() // perhaps it was only garbage
	}
	if is != was {
		g.full.Store(is)
		turned(is, used)
	}
}

func (g *Guard) measure() int64 {
	if g.used != nil {
		return g.used()
	}
	return Used()
}
