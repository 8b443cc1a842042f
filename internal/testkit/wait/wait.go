// Package wait waits in a test for what something else is still doing. It knows
// nothing of portico.
package wait

import (
	"testing"
	"time"
)

// Patience is how long is waited for what must come: machines may be busy.
const Patience = 90 * time.Second

// Until waits until ok, and fails the test with what if that takes too long.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	Right(t, func() string {
		if ok() {
			return ""
		}
		return what
	})
}

// Works waits until try has no error, and fails the test with what and the last
// one if that takes too long.
func Works(t testing.TB, what string, try func() error) {
	t.Helper()
	Right(t, func() string {
		if err := try(); err != nil {
			return what + ": " + err.Error()
		}
		return ""
	})
}

// Right waits until wrong returns "", and fails the test with what it returned
// last if that takes too long.
func Right(t testing.TB, wrong func() string) {
	t.Helper()
	pause := time.Millisecond
	for end := time.Now().Add(Patience); ; time.Sleep(pause) {
		text := wrong()
		if text == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", Patience, text)
		}
		pause = min(2*pause, 20*time.Millisecond)
	}
}
