package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/logging"
)

// A logger that was handed out follows the root, also one made with With().
func TestLevelFollowsReload(t *testing.T) {
	var out bytes.Buffer
	root := logging.New(&out)
	log := root.Logger().With().Str("listener", "web").Logger()
	log.Debug().Msg("hidden")
	if err := root.Set("debug", logging.JSON); err != nil {
		t.Fatal(err)
	}
	log.Debug().Msg("shown")
	if err := root.Set("error", logging.JSON); err != nil {
		t.Fatal(err)
	}
	log.Warn().Msg("hidden")
	burst := log.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second})
	burst.Info().Msg("hidden, though sampled")
	log.Error().Msg("last")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %d lines:\n%s", len(lines), out.String())
	}
	var ev map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &ev); err != nil {
		t.Fatal(err)
	}
	if ev["message"] != "shown" || ev["listener"] != "web" || ev["level"] != "debug" || ev["time"] == nil {
		t.Errorf("got %v", ev)
	}
}

func TestFormatFollowsReload(t *testing.T) {
	var out bytes.Buffer
	root := logging.New(&out)
	log := root.Logger()
	log.Info().Msg("as json")
	if !json.Valid(bytes.TrimSpace(out.Bytes())) {
		t.Errorf("not JSON where out is no terminal: %s", out.String())
	}
	out.Reset()
	if err := root.Set("info", logging.Console); err != nil {
		t.Fatal(err)
	}
	log.Info().Str("k", "v").Msg("for people")
	if got := out.String(); !strings.Contains(got, "INF for people k=v") {
		t.Errorf("got %q", got)
	}
}

func TestSetRefuses(t *testing.T) {
	var out bytes.Buffer
	root := logging.New(&out)
	for _, c := range [][2]string{{"loud", "json"}, {"", "json"}, {"fatal", "json"}, {"info", "xml"}} {
		if root.Set(c[0], c[1]) == nil {
			t.Errorf("Set(%q, %q) succeeded", c[0], c[1])
		}
	}
	log := root.Logger()
	log.Info().Msg("still info")
	if out.Len() == 0 {
		t.Error("a refused Set changed the level")
	}
}

// No line is lost or torn while the file is moved away and opened anew.
func TestReopenUnderWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f, err := logging.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const writers, lines, turns = 4, 500, 5
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range lines {
				if _, err := fmt.Fprintf(f, "%d %d\n", w, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range turns {
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i)); err != nil {
			t.Fatal(err)
		}
		if err := f.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	files, _ := filepath.Glob(path + "*")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(string(b)) {
			seen[l] = true
		}
	}
	if len(files) != turns+1 || len(seen) != writers*lines {
		t.Errorf("%d lines in %d files, want %d in %d", len(seen), len(files), writers*lines, turns+1)
	}
}

func TestReopenFailureKeepsTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := logging.OpenFile(filepath.Join(dir, "a.log"))
	if err != nil {
		t.Fatal(err)
	}
	moved := dir + ".old"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if f.Reopen() == nil {
		t.Error("reopened in a folder that is gone")
	}
	if _, err := f.Write([]byte("kept\n")); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(filepath.Join(moved, "a.log")); string(b) != "kept\n" {
		t.Errorf("got %q", b)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if _, err := f.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if err := f.Reopen(); err == nil {
		t.Error("reopen after close")
	}
}
