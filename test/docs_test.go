package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services"
)

// pages are the Markdown files of the tree, relative to its top.
func pages(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	list := strings.Fields(string(out))
	if len(list) < 5 {
		t.Fatalf("only %d pages were found: %v", len(list), list)
	}
	return list
}

func read(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", page))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	link  = regexp.MustCompile(`\]\(([^)\s#]+)(?:#[^)\s]*)?\)`)
	fence = regexp.MustCompile("(?ms)^```([a-z]*)([^\n]*)\n(.*?)^```$")
	// local are paths in examples, which have to exist for the example to load.
	local  = regexp.MustCompile(`root\s*=\s*"(\.{0,2}/?[^"$]+)"`)
	inFile = regexp.MustCompile(`file\("([^"$]+)"\)`)
)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}

// Every example of a config loads: a block marked "hcl" as it is, one marked
// "hcl fragment" only as far as its syntax goes.
func TestExamplesLoad(t *testing.T) {
	kinds := service.NewRegistry(services.All(services.New())...)
	count := 0
	for _, page := range pages(t) {
		for _, m := range fence.FindAllStringSubmatch(read(t, page), -1) {
			if m[1] != "hcl" {
				continue
			}
			count++
			if strings.Contains(m[2], "fragment") {
				if _, diags := hclsyntax.ParseConfig([]byte(m[3]), page, hcl.InitialPos); diags.HasErrors() {
					t.Errorf("%s: a fragment does not parse: %v\n%s", page, diags.Errs(), m[3])
				}
				continue
			}
			loads(t, kinds, page, m[3])
		}
	}
	if count < 5 {
		t.Errorf("only %d examples were found", count)
	}
}

func loads(t *testing.T, kinds service.Registry, page, example string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.hcl")
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range local.FindAllStringSubmatch(example, -1) {
		if !filepath.IsAbs(m[1]) {
			if err := os.MkdirAll(filepath.Join(dir, m[1]), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range inFile.FindAllStringSubmatch(example, -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, src, diags := config.Load(file, config.Options{Kinds: kinds, Getenv: func(string) string { return "" }})
	if diags.HasErrors() {
		var b strings.Builder
		_ = src.WriteText(&b, diags, 100, false)
		t.Errorf("%s: an example does not load:\n%s", page, b.String())
	}
}

// The file that the repository ships is the first that anybody sees: it has not
// even a warning.
func TestShippedConfigLoads(t *testing.T) {
	kinds := service.NewRegistry(services.All(services.New())...)
	_, src, diags := config.Load("../config.hcl", config.Options{Kinds: kinds, Getenv: func(string) string { return "" }})
	if len(diags) > 0 {
		var b strings.Builder
		_ = src.WriteText(&b, diags, 100, false)
		t.Errorf("config.hcl:\n%s", b.String())
	}
}
