package giveway_test

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/giveway"
)

// nice is that of the calling thread.
func nice(t *testing.T) int {
	t.Helper()
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Error(err)
	}
	return 20 - n // as the kernel puts it
}

func TestDo(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	before, inside, thread := nice(t), 0, 0
	giveway.Do(func() { inside, thread = nice(t), unix.Gettid() })
	if want := max(before, 5); inside != want {
		t.Errorf("a nice of %d, not %d", inside, want)
	}
	for range 100 { // on whatever threads there are
		done := make(chan struct{})
		go func() {
			defer close(done)
			if n := nice(t); n != before || unix.Gettid() == thread {
				t.Errorf("a nice of %d afterwards, it was %d", n, before)
			}
		}()
		<-done
	}
}

// Where Go has one processor, all of it would give way.
func TestOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	before, inside := nice(t), 0
	if giveway.Do(func() { inside = nice(t) }); inside != before {
		t.Errorf("a nice of %d, not %d", inside, before)
	}
}

func TestPanicIsTheCallers(t *testing.T) {
	defer func() {
		if v := recover(); v != "oh" {
			t.Errorf("%v", v)
		}
	}()
	giveway.Do(func() { panic("oh") })
}
