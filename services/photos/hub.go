package photos

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/services/photos/store"
)

// eventKind says what happened.
type eventKind uint8

const (
	eventUpdate  eventKind = iota + 1 // a new post
	eventEdit                         // a post was changed
	eventDelete                       // a post was deleted
	eventNotice                       // somebody is told of something
	eventFilters                      // somebody changed their filters
	eventJobs                         // for other nodes: there is background work
	eventLost                         // for other nodes: they may have missed something
	eventCalls                        // for other nodes: calls that count for their limits
)

// An event is something that somebody who listens may want to hear of. It says
// where to look; the truth is the store.
type event struct {
	kind   eventKind
	status store.Status // of posts; of a deleted one, as it was
	notice store.Notice
	user   int64 // of filters: whose they are
	calls  []calls
}

// Bounds of streaming.
const (
	maxListeners     = 4096 // at a time
	maxListenersUser = 16   // of one account
	maxListenersAddr = 64   // without an account, of one address
	maxQueue         = 256  // events that a listener has not taken; one more ends it
)

// A hub knows who listens. What is published reaches those who listen then,
// in the order of their own queues; who is too slow is cut off and will read the
// store again.
type hub struct {
	mu      sync.Mutex
	all     map[*listener]struct{} // guarded by mu
	byOwner map[owner]int          // guarded by mu; without zeros
	closed  bool                   // guarded by mu
}

// An owner is whom listeners are counted for.
type owner struct {
	user int64
	addr string // where there is no user
}

func newHub() *hub { return &hub{all: map[*listener]struct{}{}, byOwner: map[owner]int{}} }

// join lets l hear what is published from now on, or returns why not. The caller
// has it leave.
func (h *hub) join(l *listener) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	most := maxListenersUser
	if l.owner.user == 0 {
		most = maxListenersAddr
	}
	if h.closed || len(h.all) >= maxListeners || h.byOwner[l.owner] >= most {
		return errListeners
	}
	h.all[l] = struct{}{}
	h.byOwner[l.owner]++
	return nil
}

func (h *hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.all[l]; !ok {
		return
	}
	delete(h.all, l)
	if h.byOwner[l.owner]--; h.byOwner[l.owner] == 0 {
		delete(h.byOwner, l.owner)
	}
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

// publish tells those who listen, on all nodes. It does not block and may be
// called anywhere.
func (p *Photos) publish(ev event) {
	p.tell(ev)
	p.send(ev)
}

// tell is publish for those who listen here.
func (p *Photos) tell(ev event) {
	p.hub.each(func(l *listener) {
		if l.wants(ev) {
			l.push(ev)
		}
	})
}

// filtersChanged tells the apps of the caller to read their filters again.
func (p *Photos) filtersChanged(c *call) {
	p.publish(event{kind: eventFilters, user: c.viewer.user.ID})
}
