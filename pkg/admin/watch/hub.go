package watch

import (
	"errors"
	"sync"
	"time"
)

// Why nobody more can join a hub.
var (
	ErrFull   = errors.New("too many look already")
	ErrClosed = errors.New("the daemon is ending")
)

// After a look that took long comes a rest of dear times as long, but no longer
// than longRest.
const (
	dear     = 4
	longRest = 10 * time.Second
)

// A Hub looks at a daemon as long as anybody wants to see it, and hands every
// look to all. Somebody who does not keep up gets the newest only. The zero Hub
// is of no use; see NewHub.
type Hub struct {
	take  func() *Sample
	every time.Duration
	most  int

	closing chan struct{}  // closed by Close
	wg      sync.WaitGroup // the goroutine that looks; Add only under mu, before closed

	mu      sync.Mutex // guards what follows
	closed  bool
	viewers map[*Viewer]struct{}
	looking bool    // the goroutine is there; it ends itself, so there is never a second
	last    *Sample // of that goroutine; nil: none yet
}

// NewHub returns a hub that looks with take, every so often at most, for most
// viewers at a time. It must be closed.
func NewHub(take func() *Sample, every time.Duration, most int) *Hub {
	return &Hub{take: take, every: every, most: most, closing: make(chan struct{}), viewers: map[*Viewer]struct{}{}}
}

// A Viewer gets samples until it leaves or the hub closes.
type Viewer struct {
	hub  *Hub
	c    chan *Sample
	gone chan struct{}
}

// Samples gets one after another. What was not taken in time is replaced by
// what is newer. It is never closed; see Gone.
func (v *Viewer) Samples() <-chan *Sample { return v.c }

// Gone is closed when the hub closes.
func (v *Viewer) Gone() <-chan struct{} { return v.gone }

// Join adds a viewer, who must Leave.
func (h *Hub) Join() (*Viewer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosed
	case len(h.viewers) >= h.most:
		return nil, ErrFull
	}
	v := &Viewer{hub: h, c: make(chan *Sample, 1), gone: make(chan struct{})}
	h.viewers[v] = struct{}{}
	if !h.looking {
		h.looking = true
		h.wg.Go(h.look)
	} else if h.last != nil {
		v.c <- h.last
	}
	return v, nil
}

// Leave takes the viewer out. After the last one there is no further look.
func (v *Viewer) Leave() {
	h := v.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.viewers, v)
}

// Close tells all viewers, refuses new ones, and waits until nobody looks any
// more, as long as patience allows: a look asks services, and one may hang.
func (h *Hub) Close(patience time.Duration) {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.closing)
		for v := range h.viewers {
			close(v.gone)
		}
	}
	h.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		h.wg.Wait()
		close(ended)
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
	}
}

// look takes samples as long as there are viewers.
func (h *Hub) look() {
	for h.wanted() {
		start := time.Now()
		h.publish(h.take())
		took := time.Since(start)
		rest := time.NewTimer(max(h.every-took, min(dear*took, longRest)))
		select {
		case <-h.closing:
		case <-rest.C:
		}
		rest.Stop()
	}
}

// wanted reports whether somebody wants a look; where not, the goroutine ends.
func (h *Hub) wanted() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.viewers) == 0 {
		h.looking, h.last = false, nil
	}
	return h.looking
}

// publish hands a sample to all.
func (h *Hub) publish(s *Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = s
	for v := range h.viewers {
		select {
		case <-v.c:
		default:
		}
		v.c <- s // has room: nobody else sends
	}
}
