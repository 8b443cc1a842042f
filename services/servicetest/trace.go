package servicetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// traced names the test that runs in a process of its own under strace.
const traced = "PORTICO_TEST_TRACED"

// Syscalls runs f again in a process of its own under strace and hands check the
// lines of the named system calls ("sendfile,splice"), each once per call. It is
// for Linux; a machine without strace fails the test.
func Syscalls(t *testing.T, calls string, f func(*testing.T), check func(t *testing.T, lines []string)) {
	t.Helper()
	if os.Getenv(traced) == t.Name() {
		f(t)
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("this test needs strace; test/setup installs it")
	}
	out := filepath.Join(t.TempDir(), "trace")
	only := "^" + strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^") + "$"
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-e", "trace="+calls, "-e", "signal=none", "-o", out,
		os.Args[0], "-test.run="+only, "-test.count=1")
	cmd.Env = append(os.Environ(), traced+"="+t.Name())
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, b)
	}
	trace, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range bytes.Lines(trace) {
		// A call that another thread interrupts is printed in two pieces.
		if s := strings.TrimSpace(string(line)); !strings.Contains(s, "<unfinished ...>") {
			lines = append(lines, s)
		}
	}
	check(t, lines)
}
