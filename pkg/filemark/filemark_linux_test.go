package filemark_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/filemark"
)

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every way to change a file changes its mark; looking at it does not.
func TestMark(t *testing.T) {
	dir := t.TempDir()
	name, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
	begun := time.Now()
	write(t, name, "one")
	m, ok := filemark.At(name)
	if !ok {
		t.Fatal("no mark")
	}
	if m.Settled(begun) || !m.Settled(time.Now().Add(time.Second)) {
		t.Error("when is it settled?")
	}
	for what, change := range map[string]func() error{
		"written":  func() error { return os.WriteFile(name, []byte("two"), 0o600) },
		"replaced": func() error { write(t, other, "two"); return os.Rename(other, name) },
		"touched":  func() error { return os.Chtimes(name, begun, begun) },
		"grown":    func() error { return os.Truncate(name, 10) },
	} {
		before, _ := filemark.At(name)
		time.Sleep(20 * time.Millisecond) // more than a tick
		if again, ok := filemark.At(name); !ok || again != before {
			t.Errorf("before it is %s: another one", what)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		after, ok := filemark.At(name)
		if !ok || after == before {
			t.Errorf("%s: the same", what)
		}
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if of, ok := filemark.Of(fi); !ok || of != after {
			t.Errorf("%s: another one when opened", what)
		}
	}
	if _, ok := filemark.At(dir); ok {
		t.Error("a folder has one without being opened")
	}
	if _, ok := filemark.At(filepath.Join(dir, "none")); ok {
		t.Error("nothing has one")
	}
}

// A change shows at once, unless very many ask: then within a hundredth of a second.
func TestSight(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, "one")
	m, _ := filemark.At(name)
	now := time.Now()
	ask := func(s *filemark.Sight, times int, want bool) {
		t.Helper()
		for range times {
			if s.Same(now) != want {
				t.Fatalf("%v after %v", !want, now)
			}
		}
	}
	few, many := filemark.NewSight(name, m), filemark.NewSight(name, m)
	ask(few, filemark.Often-1, true)
	ask(many, filemark.Often, true)
	write(t, name, "another one")
	ask(few, 2*filemark.Often, false)
	ask(many, 2*filemark.Often, true)
	now = now.Add(9 * time.Millisecond)
	ask(many, 1, true)
	now = now.Add(time.Millisecond)
	ask(many, 2*filemark.Often, false)
	m, _ = filemark.At(name)
	many = filemark.NewSight(name, m)
	ask(many, filemark.Often, true)
	write(t, name, "a third one")
	now = now.Add(-time.Minute) // the clock was set
	ask(many, 1, false)
}
