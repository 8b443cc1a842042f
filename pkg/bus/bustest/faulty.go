package bustest

import (
	"sync/atomic"

	"github.com/porticod/portico/pkg/bus"
)

// A Faulty is a bus that a test can cut off: then it carries nothing, and says so.
type Faulty struct {
	bus.Bus
	cut, deaf atomic.Bool
}

// Cut cuts the node off from the others, or brings it back. It knows that it is.
func (f *Faulty) Cut(off bool) { f.cut.Store(off) }

// Deafen makes the node lose everything, without knowing.
func (f *Faulty) Deafen(off bool) { f.deaf.Store(off) }

// Publish implements bus.Bus.
func (f *Faulty) Publish(topic string, data []byte) {
	if !f.cut.Load() && !f.deaf.Load() {
		f.Bus.Publish(topic, data)
	}
}

// Subscribe implements bus.Bus.
func (f *Faulty) Subscribe(topic string, fn func(batch [][]byte)) (stop func()) {
	return f.Bus.Subscribe(topic, func(batch [][]byte) {
		if !f.cut.Load() && !f.deaf.Load() {
			fn(batch)
		}
	})
}

// Healthy implements bus.Bus.
func (f *Faulty) Healthy() bool { return !f.cut.Load() && f.Bus.Healthy() }
