package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/golden"
	"github.com/porticod/portico/pkg/config"
)

func options(env map[string]string) config.Options {
	return config.Options{Kinds: kinds(), Getenv: func(name string) string { return env[name] }}
}

// TestBad loads every file of testdata/bad and compares what people get to read.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.hcl")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files in testdata/bad (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".hcl"), func(t *testing.T) {
			cfg, src, diags := config.Load(file, options(nil))
			if len(diags) == 0 {
				t.Fatal("no diagnostics")
			}
			if (cfg == nil) != diags.HasErrors() {
				t.Errorf("cfg == nil is %t", cfg == nil)
			}
			var b bytes.Buffer
			if err := src.WriteText(&b, diags, 0, false); err != nil {
				t.Fatal(err)
			}
			matches(t, strings.TrimSuffix(file, ".hcl")+".txt", b.Bytes())
		})
	}
}

// matches compares got with the file, in which the folder of the tests is <dir>.
func matches(t *testing.T, file string, got []byte) {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	golden.Match(t, file, strings.ReplaceAll(string(got), wd, "<dir>"))
}

// TestGood loads every file of testdata/good without a diagnostic.
func TestGood(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files in testdata/good (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, src, diags := config.Load(file, options(nil))
			if len(diags) > 0 {
				var b bytes.Buffer
				_ = src.WriteText(&b, diags, 100, false)
				t.Errorf("diagnostics:\n%s", &b)
			}
		})
	}
}
