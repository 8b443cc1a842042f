package cli_test

import (
	"runtime"
	"testing"

	"github.com/porticod/portico/pkg/cli"
)

// Memory goes back once, when nothing was allocated since the last look.
func TestTrim(t *testing.T) {
	trim := cli.NewTrimmer()
	trim()
	trim() // whatever other tests left
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
	if !trim() {
		t.Error("64 MiB are free, nothing goes on, and nothing was given back")
	}
	if trim() {
		t.Error("trimmed again with nothing to gain")
	}
}
