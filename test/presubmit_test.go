package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/porticod/portico/"

// upper are the packages above the contract, the highest first: each may import
// those after it, none of those before it. What else lies in pkg is a leaf.
var upper = []string{
	"pkg/cli", "pkg/admin", "pkg/probe", "pkg/hostcheck", "pkg/daemon", "pkg/front", "pkg/route", "pkg/mux", "pkg/listen", "pkg/config",
	"pkg/service",
}

// one says who alone may import a library.
var one = map[string]string{
	"github.com/soheilhy/cmux":          "pkg/mux",
	"github.com/pires/go-proxyproto":    "pkg/mux",
	"modernc.org/sqlite":                "pkg/sqlite",
	"github.com/jackc/pgx/v5":           "pkg/postgres",
	"github.com/spf13/cobra":            "pkg/cli",
	"github.com/gen2brain/jpegn":        "pkg/picture",
	"github.com/gen2brain/jpegli":       "pkg/picture",
	"github.com/gen2brain/avif":         "pkg/picture",
	"github.com/bbrks/go-blurhash":      "pkg/picture",
	"golang.org/x/crypto/argon2":        "pkg/account",
	"github.com/caddyserver/certmagic":  "pkg/acme",
	"github.com/quic-go/quic-go":        "pkg/mux",
	"github.com/chromedp/chromedp":      "internal",
	"github.com/nats-io/nats.go":        "pkg/bus/nats",
	"github.com/minio/minio-go":         "pkg/blob/s3",
	"github.com/johannesboyne/gofakes3": "internal",
	"github.com/rogpeppe/go-internal":   "test",
}

// more says why a leaf has more than one library.
var more = map[string]string{
	"pkg/settings": "cty is the type system of hcl",
	"pkg/acme":     "certmagic's interface has acmez's accounts and zap's logger in it",
}

// A pkg is what go list says about a package.
type pkg struct {
	ImportPath, Dir, Name, Doc         string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
	DepOnly, Standard                  bool
	Module                             *struct{ Path string }
}

// rel is the path of a package or import in the tree.
func rel(path string) (string, bool) {
	if path+"/" == module {
		return ".", true
	}
	return strings.CutPrefix(path, module)
}

// list asks go list about the whole tree and everything below it.
func list(t *testing.T) (own []pkg, modules map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", "-json=ImportPath,Dir,Name,Doc,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,DepOnly,Standard,Module", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	modules = map[string]string{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return own, modules
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module != nil {
			modules[p.ImportPath] = p.Module.Path
		}
		// With -test there are variants such as "a [a.test]" and "a.test".
		if _, ours := rel(p.ImportPath); ours && !strings.Contains(p.ImportPath, " ") && !strings.HasSuffix(p.ImportPath, ".test") {
			own = append(own, p)
		}
	}
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// rank is a package's place in upper, its length for what is below.
func rank(path string) int {
	for i, u := range upper {
		if within(path, u) {
			return i
		}
	}
	return len(upper)
}

// arrow says what is wrong with an import in the code of a package, or nothing.
func arrow(from, to string, inTest bool) string {
	kindOf := func(path string) string {
		if rest, ok := strings.CutPrefix(path, "services/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			return name
		}
		return ""
	}
	switch {
	case within(from, "cmd"), within(from, "examples"), within(from, "internal"), within(from, "test"), within(from, "bench"):
		return ""
	case within(to, "internal"):
		if inTest || strings.HasSuffix(from, "test") { // a contract as a suite: servicetest, sqldbtest
			return ""
		}
		return "internal is for tests and tools"
	case from == "services": // the list of kinds
		return ""
	case kindOf(from) != "":
		switch {
		case kindOf(to) == kindOf(from), inTest && kindOf(to) == "servicetest", rank(to) >= rank("pkg/service") && within(to, "pkg"):
			return ""
		case kindOf(to) != "":
			return "a kind does not know another kind"
		}
		return "a kind knows pkg/service and leaves"
	case within(to, "services"):
		if inTest && rank(from) < rank("pkg/service") {
			return "" // a daemon's test needs something to run
		}
		return "the daemon knows no kind"
	case rank(to) < rank(from):
		return "arrows point down"
	}
	return ""
}

func TestArrowsPointDown(t *testing.T) {
	own, _ := list(t)
	for _, p := range own {
		from, _ := rel(p.ImportPath)
		for i, imports := range [][]string{p.Imports, p.TestImports, p.XTestImports} {
			for _, path := range imports {
				to, ours := rel(path)
				if !ours || to == from {
					continue
				}
				if wrong := arrow(from, to, i > 0); wrong != "" {
					t.Errorf("%s imports %s: %s", from, to, wrong)
				}
			}
		}
	}
}

// The rules themselves, since the tree shows only what is allowed.
func TestArrow(t *testing.T) {
	for _, c := range []struct {
		from, to string
		inTest   bool
		ok       bool
	}{
		{"cmd/portico", "services", false, true},
		{"services", "services/chat", false, true},
		{"services/chat", "pkg/service", false, true},
		{"services/chat", "pkg/sqlite", false, true},
		{"services/chat/store", "services/chat", false, true},
		{"services/chat", "services/photos", false, false},
		{"services/chat", "services/servicetest", false, false},
		{"services/chat", "services/servicetest", true, true},
		{"services/chat", "services", false, false},
		{"services/chat", "pkg/config", false, false},
		{"services/chat", "pkg/daemon", true, false},
		{"pkg/daemon", "pkg/mux", false, true},
		{"pkg/mux", "pkg/daemon", false, false},
		{"pkg/daemon", "services/echo", false, false},
		{"pkg/daemon", "services/echo", true, true},
		{"pkg/config", "pkg/service", false, true},
		{"pkg/service", "pkg/config", false, false},
		{"pkg/service", "pkg/settings", false, true},
		{"pkg/blob", "pkg/durable", false, true},
		{"pkg/blob", "pkg/service", false, false},
		{"pkg/blob", "services/echo", true, false},
		{"pkg/blob", "internal/testkit", false, false},
		{"pkg/blob", "internal/testkit", true, true},
		{"services/servicetest", "internal/testkit/wait", false, true},
		{"pkg/sqldb/sqldbtest", "internal/testkit/wait", false, true},
	} {
		if wrong := arrow(c.from, c.to, c.inTest); (wrong == "") != c.ok {
			t.Errorf("%s to %s (in a test: %v): %q", c.from, c.to, c.inTest, wrong)
		}
	}
}

func TestLibrariesHaveOneHome(t *testing.T) {
	own, modules := list(t)
	for _, p := range own {
		from, _ := rel(p.ImportPath)
		libs := map[string]bool{}
		for _, path := range p.Imports {
			for lib, home := range one {
				if within(path, lib) && !within(from, home) && from != "internal/deps" {
					t.Errorf("%s imports %s, which is for %s alone", from, path, home)
				}
			}
			m := modules[path]
			// What the Go project keeps and what everything logs with are not counted.
			if m != "" && m+"/" != module && !strings.HasPrefix(m, "golang.org/x/") && m != "github.com/rs/zerolog" {
				libs[m] = true
			}
		}
		if leaf := within(from, "pkg") && rank(from) == len(upper); leaf && len(libs) > 1 && more[from] == "" {
			t.Errorf("%s imports %d libraries, a leaf has one at most: %v", from, len(libs), libs)
		}
	}
}

func TestSizesAndComments(t *testing.T) {
	own, _ := list(t)
	for _, p := range own {
		path, _ := rel(p.ImportPath)
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", path)
		}
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			checkFile(t, filepath.Join(p.Dir, name), filepath.Join(path, name))
		}
	}
}

func checkFile(t *testing.T, file, shown string) {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if ast.IsGenerated(f) {
		return
	}
	isTest := strings.HasSuffix(file, "_test.go")
	if n := bytes.Count(src, []byte("\n")); n > 500 && !isTest {
		t.Errorf("%s has %d lines; 500 are the limit", shown, n)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		// A table of cases is no code: tests may be longer.
		if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1; n > 100 && !isTest {
			t.Errorf("%s: %s has %d lines; 100 are the limit", shown, fn.Name.Name, n)
		}
		if fn.Name.Name == "init" && fn.Recv == nil && !isTest {
			t.Errorf("%s has an init function: importing must do nothing", shown)
		}
	}
}
