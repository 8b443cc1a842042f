package config_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/config"
)

func TestBounds(t *testing.T) {
	large := "# " + strings.Repeat("x", 1<<20)
	if got := mistakes(t, options(nil), large); !strings.Contains(got, "it is larger than 1024 KiB") {
		t.Error(got)
	}
	deep := map[string]func(n int) string{
		"brackets":  func(n int) string { return strings.Repeat("[", n) },
		"parens":    func(n int) string { return strings.Repeat("(", n) + "1" + strings.Repeat(")", n) },
		"blocks":    func(n int) string { return "1\n" + strings.Repeat("a {\n", n) },
		"templates": func(n int) string { return strings.Repeat(`"${`, n) },
		"unary":     func(n int) string { return strings.Repeat("!", n) + "true" },
		"minus":     func(n int) string { return strings.Repeat("-", n) + "1" },
		"binary":    func(n int) string { return "1" + strings.Repeat("+1", n) },
		"ternary":   func(n int) string { return strings.Repeat("true?1:", n) + "1" },
		"index":     func(n int) string { return "a" + strings.Repeat("[0]", n) },
		"splat":     func(n int) string { return "a" + strings.Repeat("[*]", n) },
		"calls":     func(n int) string { return strings.Repeat("upper(", n) },
	}
	for name, text := range deep {
		// What is just not looked at must not exhaust the stack.
		if got := mistakes(t, options(nil), "drain = "+text(7_990)); got == "" {
			t.Errorf("%s: no mistake", name)
		}
		if got := mistakes(t, options(nil), "drain = "+text(10_001)); !strings.Contains(got, "Nested too deeply") {
			t.Errorf("%s: %.300s", name, got)
		}
	}
	var chain strings.Builder
	for i := range 1100 {
		fmt.Fprintf(&chain, "  l%d = local.l%d\n", i, i+1)
	}
	if got := mistakes(t, options(nil), "locals {\n"+chain.String()+"  l1100 = 1\n}\n"); !strings.Contains(got, "Nested too deeply") {
		t.Errorf("%.500s", got)
	}
	if got := strings.Count(mistakes(t, options(nil), strings.Repeat("x {\n}\n", 1000)), "Error:"); got != 201 {
		t.Errorf("%d diagnostics are shown", got)
	}
}

func TestTooManyFiles(t *testing.T) {
	texts := map[string][]byte{"/c/a.hcl": []byte("include = \"d/*.hcl\"\n")}
	for i := range 300 {
		texts[fmt.Sprintf("/c/d/%d.hcl", i)] = nil
	}
	_, src, diags := config.Load("/c/a.hcl", config.InMemory(options(nil), texts))
	if got := render(t, src, diags); !strings.Contains(got, "A config has at most 256 files.") || len(diags) != 1 {
		t.Error(got)
	}
}

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.hcl"): "It does not exist",
		dir:                            "it is a folder",
	} {
		cfg, src, diags := config.Load(path, options(nil))
		if got := render(t, src, diags); cfg != nil || !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
			t.Errorf("%s: %s", path, got)
		}
	}
}
