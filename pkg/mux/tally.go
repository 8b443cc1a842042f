package mux

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// A tally is how many of a connection's bytes its listener's counters have. They
// get the rest when somebody gathers and when it is closed, so that each byte is
// counted once, however it was moved.
type tally struct {
	mu      sync.Mutex // guards the rest
	in, out int64
}

// count brings the counters up to in and out. Less than before, as of a closed
// socket, adds nothing.
func (t *tally) count(s *portStats, in, out int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if in > t.in {
		s.received.Add(float64(in - t.in))
		t.in = in
	}
	if out > t.out {
		s.sent.Add(float64(out - t.out))
		t.out = out
	}
}

func (c *Conn) count() {
	n := c.bytes()
	c.tally.count(c.ticket.stats, n.in, n.written)
}

// count must be called without the port's mu.
func (c *session) count(p *Port) {
	p.mu.Lock()
	traffic := c.traffic
	p.mu.Unlock()
	if traffic != nil {
		_, in, out := traffic()
		c.tally.count(c.ticket.stats, in, out)
	}
}

// countOpen counts what open connections moved since it was called last. It
// reports whether there may be more to count some time.
func (p *Port) countOpen() bool {
	p.mu.Lock()
	conns, sessions := slices.Collect(maps.Keys(p.conns)), slices.Collect(maps.Keys(p.sessions))
	more := !p.closed || len(conns)+len(sessions) > 0
	p.mu.Unlock()
	for _, c := range conns {
		c.count()
	}
	for _, c := range sessions {
		c.count(p)
	}
	return more
}

// countRest is how many times as long as a count of all open connections took
// it rests: with a million of them it takes seconds.
const countRest = 10

// openPorts are the ports whose connections are counted when somebody gathers.
type openPorts struct {
	mu   sync.Mutex
	list map[*Port]struct{} // guarded by mu

	counting sync.Mutex // held by who counts; guards next
	next     time.Time
}

func (o *openPorts) add(p *Port) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list[p] = struct{}{}
}

// count takes up to a tenth of the time, however often it is called.
func (o *openPorts) count() {
	o.counting.Lock()
	defer o.counting.Unlock()
	began := time.Now()
	if began.Before(o.next) {
		return
	}
	o.mu.Lock()
	ports := slices.Collect(maps.Keys(o.list))
	o.mu.Unlock()
	for _, p := range ports {
		if !p.countOpen() {
			o.mu.Lock()
			delete(o.list, p)
			o.mu.Unlock()
		}
	}
	now := time.Now()
	o.next = now.Add(countRest * now.Sub(began))
}
