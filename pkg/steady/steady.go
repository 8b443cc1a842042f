// Package steady tells the time to what deletes. It does not set clocks, and
// knows nothing of what happened before the process began.
package steady

import (
	"sync"
	"time"
)

// hold is how long a step of the clock is not believed by what deletes: long
// enough for somebody to notice, and to set the clock right.
const hold = 24 * time.Hour

// slack is what a clock may drift before that counts as a step, so that one that
// is slowly put right does not fill the memory.
const slack = time.Second

// A Clock shows the time of day less what it was put forward within the last
// day, by a time service, a person, or a machine that went on from a snapshot.
// What expires by it expires up to a day late and never early: a clock that is
// wrong for an hour costs nothing. The zero Clock is ready, and knows of the
// steps from its first reading on.
type Clock struct {
	Read func() time.Time // nil: time.Now; with a monotonic reading, as that

	mu   sync.Mutex
	base time.Time // of the first reading; guarded by mu
	past []span    // ahead grows; the last one is of now; guarded by mu
}

// A span is a time in which the time of day was so far ahead of the monotonic
// clock, which never steps.
type span struct{ ahead, until time.Duration }

// Now is the time of day, or an earlier one. It has no monotonic reading.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	read := c.Read
	if read == nil {
		read = time.Now
	}
	now := read()
	if c.base.IsZero() {
		c.base = now
	}
	passed, wall := now.Sub(c.base), now.Round(0)
	ahead := wall.Sub(c.base.Round(0)) - passed
	return wall.Add(min(c.note(passed, ahead)-ahead, 0))
}

// note returns the least that the clock was ahead within hold. Spans that were
// ahead of a later one are dropped: that one is the lower for longer.
func (c *Clock) note(passed, ahead time.Duration) time.Duration {
	if n := len(c.past); n > 0 {
		c.past[n-1].until = passed
		for len(c.past) > 1 && c.past[0].until < passed-hold {
			c.past = c.past[1:]
		}
	}
	if n := len(c.past); n == 0 || (ahead-c.past[n-1].ahead).Abs() >= slack {
		for n > 0 && c.past[n-1].ahead >= ahead {
			n--
		}
		c.past = append(c.past[:n], span{ahead, passed})
	}
	return c.past[0].ahead
}
