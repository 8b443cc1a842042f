package wait_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
)

// failing is a test that remembers how it failed.
type failing struct {
	testing.TB
	text string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	panic(f)
}

func (f *failing) Fatal(args ...any) { f.Fatalf("%s", fmt.Sprint(args...)) }

// text is how f fails.
func text(t *testing.T, f func(t testing.TB)) string {
	tb := &failing{TB: t}
	func() {
		defer func() {
			if got := recover(); got != tb {
				t.Errorf("it did not fail: %v", got)
			}
		}()
		f(tb)
	}()
	return tb.text
}

func TestInVain(t *testing.T) {
	for want, f := range map[string]func(t testing.TB){
		"the sky falls":      func(t testing.TB) { wait.Until(t, "the sky falls", func() bool { return false }) },
		"the sea: too salty": func(t testing.TB) { wait.Works(t, "the sea", func() error { return errors.New("too salty") }) },
		"it is 5, not 6":     func(t testing.TB) { wait.Right(t, func() string { return "it is 5, not 6" }) },
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			if got := text(t, f); !strings.HasSuffix(got, "in vain: "+want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if took := time.Since(begin); took < wait.Patience {
				t.Errorf("it gave up after %v", took)
			}
		})
	}
}

func TestItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		there := func() bool { return time.Since(begin) > wait.Patience/2 }
		wait.Until(t, "half the time goes by", there)
		if took := time.Since(begin); took > wait.Patience/2+time.Second {
			t.Errorf("seen after %v", took)
		}
	})
}

func TestSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		wait.Steady(t, time.Second, func(beat func()) error {
			runs++
			time.Sleep(time.Second)
			if beat(); runs == 3 {
				return nil
			}
			time.Sleep(2 * time.Second)
			return errors.New("it ended")
		})
		if runs != 3 {
			t.Errorf("%d runs", runs)
		}
		for want, pause := range map[string]time.Duration{"it ended": time.Second, "the machine is too busy: something took longer than 1s each time": 2 * time.Second} {
			got := text(t, func(t testing.TB) {
				wait.Steady(t, time.Second, func(func()) error {
					time.Sleep(pause)
					return errors.New("it ended")
				})
			})
			if got != want {
				t.Errorf("it failed with %q, not %q", got, want)
			}
		}
	})
}
