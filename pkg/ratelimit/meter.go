package ratelimit

import "time"

// A Meter tells whether somebody who is waited for moves enough: Rate bytes a
// second over a Window that slides. Only time in which somebody waited counts, so
// that who has nothing to move is not slow. A zero Rate or Window measures
// nothing. A Meter has one user at a time.
type Meter struct {
	Rate   float64 // bytes a second
	Window time.Duration

	before, now span // two halves of the window
}

type span struct {
	moved  int64
	waited time.Duration
}

// Slow notes that n bytes moved within a wait, and reports whether what moved
// within the last window is too little. Somebody who begins fast and becomes slow
// is found out after two windows at most.
func (m *Meter) Slow(n int64, waited time.Duration) bool {
	if m.Rate <= 0 || m.Window <= 0 {
		return false
	}
	m.now.moved += n
	m.now.waited += waited
	if m.now.waited < m.Window/2 {
		return false
	}
	took := m.before.waited + m.now.waited
	slow := took >= m.Window && float64(m.before.moved+m.now.moved) < m.Rate*took.Seconds()
	m.before, m.now = m.now, span{}
	return slow
}
