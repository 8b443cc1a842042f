package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	usualPace = 100  // percent: Go's own, a collection when as much came as lives
	maxPace   = 1000 // of a heap in which next to nothing lives
)

// Pace leaves at least so many bytes of garbage between two collections. Go waits
// for as much as lives, which in a small daemon is so little that it collects some
// thirty times a second under load, for an eighth of its time. Where more
// lives than least, or GOGC says something else, nothing changes; soft limits go
// before. The returned function ends it.
func Pace(least int64) (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	p := &pacer{least: least, percent: usualPace, samples: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/scan/stack:bytes"},
		{Name: "/gc/scan/globals:bytes"},
	}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set()
	p.again()
	return p.stop
}

// A pacer adapts Go's collector to what lives.
type pacer struct {
	least   int64
	samples []metrics.Sample

	mu      sync.Mutex // guards the rest
	percent int
	stopped bool
}

// A cycle is dropped at once, and so found by the next collection.
type cycle struct{ p *pacer }

func (p *pacer) again() {
	// With a pointer in it, so that it does not share its piece of memory with others.
	runtime.SetFinalizer(&cycle{p}, func(c *cycle) { c.p.ended() })
}

// ended is called after a collection, in the goroutine of finalizers.
func (p *pacer) ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.set()
		p.again()
	}
}

// set must be called with mu held. Each change stops the world for some
// microseconds, so small ones are left out.
func (p *pacer) set() {
	metrics.Read(p.samples)
	lives := int64(1)
	for _, s := range p.samples {
		lives += int64(s.Value.Uint64())
	}
	percent := int(min(max(p.least*100/lives, usualPace), maxPace))
	if percent != p.percent && (percent == usualPace || percent*4 < p.percent*3 || percent*3 > p.percent*4) {
		p.percent = percent
		debug.SetGCPercent(percent)
	}
}

func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	debug.SetGCPercent(usualPace)
}
