package cli

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// leastGarbage is how much garbage is collected at once, in bytes, at least.
const leastGarbage = 32 << 20

// reloadGarbage is how much more may wait for the end of a reload: that of some 3,000
// listeners.
const reloadGarbage = 64 << 20

// When memory is given back. Go's own collector runs at the latest two minutes
// after the last one and then lets go slowly: measured, a daemon that had made
// one picture still held 90 MB after 160 s; with this it is at 38 MB after 30 s.
const (
	trimEvery = 30 * time.Second
	trimFree  = 16 << 20 // bytes that are free and worth a collection; some are always
	trimWaste = 4 << 20  // bytes of garbage that are worth one
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
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}}
}

// trim looks whether the daemon was idle since the last look and holds memory
// that it does not need, and gives that back. It reports whether it did.
func (t *trimmer) trim() bool {
	metrics.Read(t.samples)
	value := func(i int) uint64 { return t.samples[i].Value.Uint64() }
	allocated, free := value(0), value(1)+value(2)
	garbage := value(3) - min(value(3), value(4)) // what was allocated since the last collection is taken for it
	idle := allocated-t.allocated < trimIdle
	t.allocated = allocated
	if !idle || free < trimFree && garbage < trimWaste {
		return false
	}
	debug.FreeOSMemory()
	forgetStart()
	return true
}
