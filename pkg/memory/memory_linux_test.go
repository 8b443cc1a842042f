package memory

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The bound holds back from its height to nine tenths of it, and tells of each
// turn once.
func TestGuard(t *testing.T) {
	t.Cleanup(func() { debug.SetMemoryLimit(math.MaxInt64) })
	var used int64
	var turns []bool
	g := Guard{used: func() int64 { return used }}
	g.SetLimit(1000 << 20)
	if soft := debug.SetMemoryLimit(-1); soft != 750<<20 {
		t.Errorf("the collector knows of %d", soft)
	}
	now := time.Now()
	for i, c := range []struct {
		used int64 // MiB
		full bool
	}{{10, false}, {999, false}, {1000, true}, {999, true}, {900, true}, {899, false}, {950, false}, {1 << 20, true}} {
		used = c.used << 20
		g.look(now, func(full bool, _ int64) { turns = append(turns, full) })
		if g.Full() != c.full {
			t.Errorf("%d: with %d MiB full is %v", i, c.used, g.Full())
		}
	}
	if len(turns) != 3 || !turns[0] || turns[1] || !turns[2] {
		t.Errorf("turns: %v", turns)
	}
	g.SetLimit(0)
	if g.look(now, func(full bool, _ int64) { turns = append(turns, full) }); g.Full() || len(turns) != 4 {
		t.Error("full without a bound")
	}
	if soft := debug.SetMemoryLimit(-1); soft != math.MaxInt64 {
		t.Errorf("without a bound the collector knows of %d", soft)
	}
}

func TestUsed(t *testing.T) {
	debug.FreeOSMemory() // what tests before left goes back now, not amid this one
	before := Used()
	if before < 1<<20 || before > 1<<32 {
		t.Fatalf("%d bytes", before)
	}
	// Beside Go's heap: the race detector's memory of a slice comes and goes with it.
	b, err := unix.Mmap(-1, 0, 64<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(b) }()
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	if after := Used(); after < before+48<<20 {
		t.Errorf("64 MiB more, and it is %d after %d", after, before)
	}
}

func TestGranted(t *testing.T) {
	for name, c := range map[string]struct {
		self  string
		files map[string]string
		want  int64
	}{
		"version 2":          {"0::/system.slice/portico.service\n", map[string]string{"system.slice/portico.service/memory.max": "536870912\n", "system.slice/memory.max": "max\n"}, 512 << 20},
		"a parent has less":  {"0::/a/b\n", map[string]string{"a/b/memory.max": "max\n", "a/memory.max": "1048576\n"}, 1 << 20},
		"none":               {"0::/a\n", map[string]string{"a/memory.max": "max\n"}, 0},
		"a container's root": {"0::/\n", map[string]string{"memory.max": "4096\n"}, 4096},
		"version 1":          {"5:cpu,cpuacct:/x\n4:memory:/x\n", map[string]string{"memory/x/memory.limit_in_bytes": "2097152\n"}, 2 << 20},
		"version 1, none":    {"4:memory:/x\n", map[string]string{"memory/x/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"nonsense":           {"::\n4\n\n", nil, 0},
	} {
		dir := t.TempDir()
		self := filepath.Join(dir, "self")
		if err := os.WriteFile(self, []byte(c.self), 0o600); err != nil {
			t.Fatal(err)
		}
		for file, text := range c.files {
			file = filepath.Join(dir, "cg", file)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := granted(self, filepath.Join(dir, "cg")); got != c.want {
			t.Errorf("%s: %d, not %d", name, got, c.want)
		}
	}
}
