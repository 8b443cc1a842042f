package photos

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/pkg/ratelimit"
	"github.com/porticod/portico/services/photos/store"
)

// Bounds of streaming.
const (
	maxListeners     = 4096 // at a time
	maxListenersUser = 16   // of one account
	maxListenersAddr = 64   // without an account, of one address
	maxQueue         = 256  // events that a listener has not taken; one more ends it
)

// A hub knows who listens. What is told reaches those who listen then,
// in the order of their own queues; who is too slow is cut off and will read the
// store again.
type hub struct {
	crowd *ratelimit.Crowd[owner] // how many there are of whom, here and at other nodes

	mu     sync.Mutex
	all    map[*listener]struct{} // guarded by mu
	closed bool                   // guarded by mu
}

// An owner is whom listeners are counted for.
type owner struct {
	User int64  `json:"user,omitempty"`
	Addr string `json:"addr,omitempty"` // where there is no user
}

func newHub() *hub {
	return &hub{crowd: ratelimit.NewCrowd[owner](), all: map[*listener]struct{}{}}
}

// join lets l hear what is told from now on, or returns why not. The caller
// has it leave.
func (h *hub) join(l *listener) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	most := maxListenersUser
	if l.owner.User == 0 {
		most = maxListenersAddr
	}
	if h.closed || len(h.all) >= maxListeners || !h.crowd.Enter(l.owner, most) {
		return errListeners
	}
	h.all[l] = struct{}{}
	return nil
}

func (h *hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.all[l]; !ok {
		return
	}
	delete(h.all, l)
	h.crowd.Leave(l.owner)
}

// gauge counts those who listen.
func (h *hub) gauge() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "portico_photos_streams", Help: "Streams that are open.",
	}, func() float64 {
		h.mu.Lock()
		defer h.mu.Unlock()
		return float64(len(h.all))
	})
}

// any tells whether somebody listens.
func (h *hub) any() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all) > 0
}

// each calls fn, which must not block, for everybody who listens.
func (h *hub) each(fn func(*listener)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.all {
		fn(l)
	}
}

// close ends everybody who listens.
func (h *hub) close(code int) {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.each(func(l *listener) { l.end(code) })
}

// tell tells those who listen here, in the order of the list. It does not block.
func (p *Photos) tell(list []store.Event) {
	if len(list) == 0 {
		return
	}
	p.hub.each(func(l *listener) {
		for _, ev := range list {
			if l.wants(ev) {
				l.push(ev)
			}
		}
	})
}
