package memory_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/memory"
)

// percent is what Go's collector goes by.
func percent() int {
	p := debug.SetGCPercent(100)
	debug.SetGCPercent(p)
	return p
}

func collections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumGC
}

// A small heap is collected seldom, a large one as ever, and in the end all is as
// it was.
func TestPace(t *testing.T) {
	const least = 32 << 20
	t.Setenv("GOGC", "")
	pace := memory.Pace(least)
	defer pace.Stop()
	var before, after runtime.MemStats
	runtime.GC()
	wait.Until(t, "a small heap has room", func() bool { return percent() > 100 })
	runtime.ReadMemStats(&before)
	var last []byte
	for range 10 * least >> 16 {
		last = make([]byte, 64<<10)
	}
	runtime.ReadMemStats(&after)
	if n := after.NumGC - before.NumGC; n > 15 {
		t.Errorf("%d collections while ten times %d MiB became garbage", n, least>>20)
	}
	large := make([]byte, 2*least)
	wait.Until(t, "a large heap is collected as ever", func() bool {
		runtime.GC()
		return percent() == 100
	})
	runtime.KeepAlive(large)
	large = nil
	wait.Until(t, "there is room again", func() bool {
		runtime.GC()
		return percent() > 100
	})
	runtime.KeepAlive(last)
	before.NumGC = collections()
	release := pace.Hold(8 * least)
	for range 6 * least >> 16 {
		last = make([]byte, 64<<10)
	}
	runtime.KeepAlive(last)
	if n := collections() - before.NumGC; n > 1 { // one may have been under way
		t.Errorf("%d collections while they were held back", n)
	}
	release()
	for range 2 * least >> 16 {
		last = make([]byte, 64<<10)
	}
	runtime.KeepAlive(last)
	wait.Until(t, "what was held back is collected", func() bool { return collections() > before.NumGC })
	pace.Stop()
	runtime.GC()
	if p := percent(); p != 100 {
		t.Errorf("%d percent in the end", p)
	}
}

// Who says what the collector should go by is obeyed.
func TestPaceObeys(t *testing.T) {
	t.Setenv("GOGC", "100")
	pace := memory.Pace(1 << 30)
	pace.Hold(1 << 30)()
	pace.Stop()
	if p := percent(); p != 100 {
		t.Errorf("%d percent", p)
	}
}
