package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/config"
)

// write makes files in a new folder and returns the folder. Names end at the
// first line of each text: "name\ncontent".
func write(t *testing.T, texts ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, text := range texts {
		name, content, _ := strings.Cut(text, "\n")
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load loads config.hcl with the given text and fails on an error.
func load(t *testing.T, opt config.Options, text string) *config.Config {
	t.Helper()
	cfg, src, diags := config.Load(filepath.Join(write(t, "config.hcl\n"+text), "config.hcl"), opt)
	if diags.HasErrors() {
		t.Fatal(render(t, src, diags))
	}
	return cfg
}

// mistakes loads config.hcl and returns what people read about it.
func mistakes(t *testing.T, opt config.Options, text string) string {
	t.Helper()
	_, src, diags := config.Load(filepath.Join(write(t, "config.hcl\n"+text), "config.hcl"), opt)
	return render(t, src, diags)
}

func render(t *testing.T, src *config.Source, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := src.WriteText(&b, diags, 0, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func abs(t *testing.T, path string) string {
	t.Helper()
	p, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
