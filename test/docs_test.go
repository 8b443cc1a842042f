package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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

// around is where a block stands of which a fragment shows only itself.
var around = map[string]string{
	"tls":          "service \"echo\" \"e\" {}\nlistener \"l\" {\n  address = \"127.0.0.1:8443\"\n  service = service.echo.e\n  %s\n}\n",
	"forward_auth": "service \"echo\" \"e\" {}\nlistener \"l\" {\n  address = \"127.0.0.1:8443\"\n  route {\n  service = service.echo.e\n  %s\n}\n}\n",
}

// Every example of a config loads: a block marked "hcl" as it is, one marked
// "hcl fragment" within what stands around its block.
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
				whole, known := around[strings.Fields(m[3])[0]]
				if !known {
					t.Errorf("%s: say in this test where this stands:\n%s", page, m[3])
				}
				loads(t, kinds, page, fmt.Sprintf(whole, m[3]))
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
	for _, m := range local.FindAllStringSubmatch(example, -1) {
		if !filepath.IsAbs(m[1]) {
			if err := os.MkdirAll(filepath.Join(dir, m[1]), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	example = certificates(t, dir, example)
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
		t.Fatal(err)
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

// pemFile are files of certificates and keys, which are read when the file loads.
var pemFile = regexp.MustCompile(`(?m)^(\s*)(client_ca|file|ca|certificate|key)(\s*= )"[^"]+\.(?:pem|key|crt)"`)

// certificates has an example use a certificate that there is.
func certificates(t *testing.T, dir, example string) string {
	t.Helper()
	if !pemFile.MatchString(example) {
		return example
	}
	chain, key := filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
	cmd := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
		"-nodes", "-days", "1", "-subj", "/CN=example.org", "-keyout", key, "-out", chain)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return pemFile.ReplaceAllStringFunc(example, func(line string) string {
		m := pemFile.FindStringSubmatch(line)
		file := chain
		if m[2] == "key" {
			file = key
		}
		return fmt.Sprintf("%s%s%s%q", m[1], m[2], m[3], file)
	})
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
