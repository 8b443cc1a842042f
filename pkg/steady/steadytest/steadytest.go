// Package steadytest makes readings of clocks that were set, for tests. It sets
// no clock.
package steadytest

import (
	"fmt"
	"time"
	"unsafe"
)

// Step returns t as time.Now would have returned it had the time of day been put
// forward by d, whole seconds and back if negative, a moment before: another time
// of day with the same monotonic reading. Package time has no way to say that,
// so it reaches into time.Time, and panics where that has changed.
func Step(t time.Time, d time.Duration) time.Time {
	// wall is a flag, 33 bits of seconds since 1885, and 30 of nanoseconds.
	moved := t
	*(*uint64)(unsafe.Pointer(&moved)) += uint64(d/time.Second) << 30
	if moved.Sub(t) != 0 || moved.Round(0).Sub(t.Round(0)) != d {
		panic(fmt.Sprintf("%v is not %v with its time of day put forward by %v", moved, t, d))
	}
	return moved
}
