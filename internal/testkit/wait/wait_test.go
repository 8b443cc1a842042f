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
