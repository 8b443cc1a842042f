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

	smallest = 4 << 20 // bytes that Go takes a heap for, at least
)

// Pace leaves at least so many bytes of garbage between two collections. Go waits
// for as much as lives, which in a small daemon is so little that it collects some
// thirty times a second under load, for an eighth of its time. Where more
// lives than least, or GOGC says something else, nothing changes; soft limits go
// before.
func Pace(least int64) *Pacer {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	p := &Pacer{least: least, percent: usualPace, samples: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/scan/stack:bytes"},
		{Name: "/gc/scan/globals:bytes"},
	}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set()
	p.again()
	return p
}

// A Pacer adapts Go's collector to what lives. nil leaves it alone.
type Pacer struct {
	least   int64
	samples []metrics.Sample

	mu      sync.Mutex // guards the rest
	held    int64      // left besides least
	percent int
	stopped bool
}

// A cycle is dropped at once, and so found by the next collection.
type cycle struct{ p *Pacer }

func (p *Pacer) again() {
	// With a pointer in it, so that it does not share its piece of memory with others.
	runtime.SetFinalizer(&cycle{p}, func(c *cycle) { c.p.ended() })
}

// ended is called after a collection, in the goroutine of finalizers.
func (p *Pacer) ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.set()
		p.again()
	}
}

// set must be called with mu held. Each change stops the world for some
// microseconds, so small ones are left out.
func (p *Pacer) set() {
	metrics.Read(p.samples)
	lives := int64(1)
	for _, s := range p.samples {
		lives += int64(s.Value.Uint64())
	}
	wanted := p.least + p.held
	percent := int(min(max(wanted*100/lives, usualPace), max(maxPace, wanted*100/smallest)))
	if percent != p.percent && (percent == usualPace || percent*4 < p.percent*3 || percent*3 > p.percent*4) {
		p.percent = percent
		debug.SetGCPercent(percent)
	}
}

// Hold leaves so many bytes more, at once, until the returned function is called: for
// who makes garbage in a moment that shall pass soon, since nothing slows others
// down as a collection does that runs beside.
func (p *Pacer) Hold(more int64) (release func()) {
	if p == nil {
		return func() {}
	}
	p.hold(more)
	return func() { p.hold(-more) }
}

func (p *Pacer) hold(more int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held += more; !p.stopped {
		p.set()
	}
}

// Stop leaves the collector as it was.
func (p *Pacer) Stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	debug.SetGCPercent(usualPace)
}
