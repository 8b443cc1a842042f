package config_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/porticod/portico/pkg/config"
)

var update = flag.Bool("update", false, "write the golden files")

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
			golden(t, strings.TrimSuffix(file, ".hcl")+".txt", b.Bytes())
		})
	}
}

// golden compares got with the file, in which the folder of the tests is <dir>.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got = bytes.ReplaceAll(got, []byte(wd), []byte("<dir>"))
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read golden file (write it with -update): %v", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("differs from %s (-want +got):\n%s", file, diff)
	}
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
