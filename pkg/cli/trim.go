package cli

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// When memory is given back. Go's own collector runs at the latest two minutes
// after the last one and then lets go slowly: measured, a daemon that had made
// one picture still held 90 MB after 160 s; with this it is at 38 MB after 30 s.
const (
	trimEvery = 30 * time.Second
	trimFree  = 16 << 20 // bytes that are free or garbage-to-be, worth a collection
	trimIdle  = 4 << 20  // bytes allocated since the last look; more is not idle
)

// A trimmer gives memory back to the system when the daemon is idle.
type trimmer struct {
	allocated uint64
	samples   []metrics.Sample
}

func newTrimmer() *trimmer {
	return &trimmer{samples: []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
	}}
}

// trim looks whether the daemon was idle since the last look and holds memory
// that it does not need, and gives that back. It reports whether it did.
func (t *trimmer) trim() bool {
	metrics.Read(t.samples)
	allocated, free, unused := t.samples[0].Value.Uint64(), t.samples[1].Value.Uint64(), t.samples[2].Value.Uint64()
	idle := allocated-t.allocated < trimIdle
	t.allocated = allocated
	if !idle || free+unused < trimFree {
		return false
	}
	debug.FreeOSMemory()
	forgetStart()
	return true
}
