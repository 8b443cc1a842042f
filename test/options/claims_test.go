package options_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"
)

// A claim says that a test shows what options do. It is a line in the comment of
// a test, or of a script:
//
//	option: listener.tls.client_ca listener.tls.client_auth
//	option: listener.tls.acme.email in test/acme/acme_linux_test.go
//
// The options stand in a config of the same file, or of the file named, with
// another value than their default.
type claim struct {
	options []string
	where   string // the file with the claim, from the top of the tree
	file    string // the file that sets the options
}

const root = "../.." // of the tree

// documented are the options of docs/config.md, as listener.tls.client_ca, with
// their defaults as they stand there.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/config.md"))
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile("^(#{2,5}) `?([a-z_]+)[^`]*`?(?: in `([a-z_]+)`)?$")
	row := regexp.MustCompile("^\\| `([a-z_0-9]+)` \\| [^|]+ \\| ([^|]*) \\|")
	options := map[string]string{}
	var path []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "## ") {
			path = nil
		} else if m := heading.FindStringSubmatch(line); m != nil {
			// A block stands below the last one that its heading names.
			path = append(path[:slices.Index(path, m[3])+1:len(path)], m[2])
		} else if m := row.FindStringSubmatch(line); m != nil {
			options[strings.Join(append(slices.Clone(path), m[1]), ".")] = strings.Trim(strings.TrimSpace(m[2]), "`")
		}
	}
	return options
}

// configs are the texts of a file that may be configs: those of a script's
// files, or a program's strings. What a program puts together is taken as far
// as it is written down.
func configs(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Errorf("a claim names %s: %v", file, err)
		return nil
	}
	if strings.HasSuffix(file, ".txtar") {
		var texts []string
		for _, f := range txtar.Parse(b).Files {
			texts = append(texts, string(f.Data))
		}
		return texts
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, b, parser.SkipObjectResolution)
	if err != nil {
		t.Errorf("a claim names %s: %v", file, err)
		return nil
	}
	var texts []string
	verbs := strings.NewReplacer("%s", "x", "%q", `"x"`, "%d", "1", "%v", "x")
	ast.Inspect(parsed, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if text, isText := joined(e); ok && isText {
			texts = append(texts, text, verbs.Replace(text), strings.ReplaceAll(text, "%s", ""))
			return false
		}
		return true
	})
	return texts
}

// joined is the text of a string or of a sum of some, in which what is no string
// is x.
func joined(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "x", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		a, isA := joined(e.X)
		b, isB := joined(e.Y)
		return a + b, e.Op == token.ADD && (isA || isB)
	}
	return "x", false
}

// set are the options that the text of a config sets, and to what.
func set(text string) map[string][]string {
	found := map[string][]string{}
	f, _ := hclsyntax.ParseConfig([]byte(text), "", hcl.InitialPos) // of a part that is no config, what there is
	if f == nil {
		return found
	}
	var walk func(*hclsyntax.Body, string)
	walk = func(body *hclsyntax.Body, path string) {
		for name, a := range body.Attributes {
			found[path+name] = append(found[path+name], string(a.Expr.Range().SliceBytes([]byte(text))))
		}
		for _, b := range body.Blocks {
			name := b.Type
			if name == "service" && len(b.Labels) > 0 {
				name = b.Labels[0]
			}
			walk(b.Body, path+name+".")
		}
	}
	walk(f.Body.(*hclsyntax.Body), "")
	return found
}

// settings are the options that a file sets. Those of a part of a config are
// there by the end of their name: tls.client_ca, say.
func settings(t *testing.T, file string) map[string][]string {
	all := map[string][]string{}
	for _, text := range configs(t, file) {
		for name, values := range set(text) {
			all[name] = append(all[name], values...)
		}
	}
	return all
}

// valuesOf are the values of an option; with parts also those of settings that
// only the end of its name is written for.
func valuesOf(settings map[string][]string, option string, parts bool) []string {
	values := settings[option]
	for rest, more := option, parts; more; {
		if _, rest, more = strings.Cut(rest, "."); more {
			values = append(values, settings[rest]...)
		}
	}
	return values
}

var claimLine = regexp.MustCompile(`^(?://|#) option: ([a-z0-9_. ]+?)(?: in (test/\S+|services/\S+|pkg/\S+|examples/\S+))?$`)

// claims are those of this folder's tests and of the scripts.
func claims(t *testing.T) []claim {
	t.Helper()
	var list []claim
	take := func(file, line string) {
		m := claimLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			if strings.Contains(line, "option: ") && strings.HasPrefix(strings.TrimLeft(line, "/# \t"), "option: ") {
				t.Errorf("%s: not a claim: %s", file, line)
			}
			return
		}
		list = append(list, claim{strings.Fields(m[1]), file, cmp.Or(m[2], file)})
	}
	for _, file := range glob(t, "test/options/*_test.go") {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Doc != nil && strings.HasPrefix(fn.Name.Name, "Test") {
				for _, c := range fn.Doc.List {
					take(file, c.Text)
				}
			}
		}
	}
	for _, file := range glob(t, "test/*.txtar") {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(txtar.Parse(b).Comment)) {
			take(file, line)
		}
	}
	return list
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: nothing there: %v", pattern, err)
	}
	for i, p := range paths {
		paths[i], _ = filepath.Rel(root, p)
	}
	return paths
}

// Every option of docs/config.md has a test that shows, from outside, what it
// does; and no test claims more than it sets.
func TestEveryOptionIsTried(t *testing.T) {
	options := documented(t)
	if len(options) < 200 {
		t.Fatalf("only %d options were found in docs/config.md", len(options))
	}
	tried := map[string]bool{}
	for _, c := range claims(t) {
		found := settings(t, c.file)
		for _, option := range c.options {
			def, ok := options[option]
			if !ok {
				t.Errorf("%s claims %s, which docs/config.md does not have", c.where, option)
				continue
			}
			values := valuesOf(found, option, c.file != c.where)
			values = slices.DeleteFunc(values, func(v string) bool { return v == def })
			if len(values) == 0 {
				t.Errorf("%s claims %s, but %s does not set it, or only to its default %s", c.where, option, c.file, def)
				continue
			}
			tried[option] = true
		}
	}
	for _, option := range slices.Sorted(maps.Keys(options)) {
		if !tried[option] {
			t.Errorf("no test shows what %s does", option)
		}
	}
}
