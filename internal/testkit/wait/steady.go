package wait

import (
	"sync"
	"testing"
	"time"
)

// tries is how often Steady has f run on a machine that is too busy.
const tries = 30

// Steady runs f, which tries what must not happen while things happen often enough.
// f calls beat whenever one of them did. Where f fails though nothing took longer than
// longest the test fails with its error; where something did, the machine was too busy
// to tell, and f runs again.
func Steady(t testing.TB, longest time.Duration, f func(beat func()) error) {
	t.Helper()
	for range tries {
		var mu sync.Mutex
		slowest, last := time.Duration(0), time.Now()
		beat := func() {
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			slowest, last = max(slowest, now.Sub(last)), now
		}
		err := f(beat)
		if err == nil {
			return
		}
		beat()
		mu.Lock()
		busy := slowest > longest
		mu.Unlock()
		if !busy {
			t.Fatal(err)
		}
		t.Logf("nothing happened for %v, so once more: %v", slowest, err)
	}
	t.Fatalf("the machine is too busy: something took longer than %v each time", longest)
}
