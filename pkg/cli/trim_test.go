package cli_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/cli"
)

// Memory goes back once, when nothing was allocated since the last look.
func TestTrim(t *testing.T) {
	trim := cli.NewTrimmer()
	trim()
	trim() // whatever other tests left
	wait.Until(t, "64 MiB are free and nothing goes on", func() bool {
		waste := make([][]byte, 64)
		for i := range waste {
			waste[i] = make([]byte, 1<<20)
		}
		runtime.KeepAlive(waste)
		if trim() {
			t.Error("trimmed in the midst of work")
		}
		waste = nil
		runtime.GC()
		return trim() // unless Go has given it back by itself
	})
	if trim() {
		t.Error("trimmed again with nothing to gain")
	}
}

// What nobody has collected yet goes back, too.
func TestTrimGarbage(t *testing.T) {
	trim := cli.NewTrimmer()
	trim()
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range 64 {
		runtime.KeepAlive(make([]byte, 1<<20))
	}
	trim()
	if !trim() {
		t.Error("64 MiB are garbage, nothing goes on, and nothing was given back")
	}
}
