package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// Options say how a file is loaded.
type Options struct {
	Kinds  service.Registry         // the kinds that services may be of
	Vars   map[string]string        // --var name=value
	Getenv func(name string) string // nil: os.Getenv

	files files // zero: the disk
}

// Load reads file and what it includes. The Config is nil when a diagnostic is
// an error; otherwise the diagnostics are warnings. Source renders them and is
// never nil. Relative paths are seen from the folder of the file that has them.
func Load(file string, opt Options) (*Config, *Source, hcl.Diagnostics) {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	l := newLoader(file, opt)
	l.load(file)
	diags := l.finish()
	if diags.HasErrors() {
		return nil, l.src, diags
	}
	return l.cfg, l.src, diags
}

func newLoader(file string, opt Options) *loader {
	if opt.Getenv == nil {
		opt.Getenv = os.Getenv
	}
	if opt.files.read == nil {
		opt.files = disk()
	}
	s := &secrets{}
	return &loader{
		opt:     opt,
		cfg:     &Config{File: file, texts: map[string][]byte{}, places: map[string]hcl.Range{}},
		src:     &Source{files: map[string]*hcl.File{}, secrets: s},
		secrets: s,
		ectxs:   map[string]*hcl.EvalContext{},
	}
}

// loader is the state of one load. Its methods report mistakes with add and go
// on as far as it makes sense.
type loader struct {
	opt     Options
	cfg     *Config
	src     *Source
	diags   hcl.Diagnostics
	secrets *secrets // values that no message may show

	broken bool // a file is missing or cannot be parsed

	parts []part                      // one for each file
	ectxs map[string]*hcl.EvalContext // by file; they differ in functions only
	names names

	registration hcl.Range // of accounts.registration
	declared     map[service.Ref]*declared
	claims       map[Address][]claim // see take
	accounts     []account
}

// A part is the top level of one file.
type part struct {
	file    string
	body    *hclsyntax.Body
	content *hcl.BodyContent
}

func (l *loader) add(d hcl.Diagnostics) { l.diags = append(l.diags, d...) }

func (l *loader) errorf(at hcl.Range, summary, format string, args ...any) {
	l.report(hcl.DiagError, at, summary, fmt.Sprintf(format, args...))
}

func (l *loader) warnf(at hcl.Range, summary, format string, args ...any) {
	l.report(hcl.DiagWarning, at, summary, fmt.Sprintf(format, args...))
}

func (l *loader) report(sev hcl.DiagnosticSeverity, at hcl.Range, summary, detail string) {
	d := &hcl.Diagnostic{Severity: sev, Summary: summary, Detail: detail}
	if at.Filename != "" {
		d.Subject = &at
	}
	l.diags = append(l.diags, d)
}

func (l *loader) load(file string) {
	l.addFile(file, hcl.Range{})
	if !l.broken {
		l.include()
	}
	if l.broken {
		return // with a part missing, names would seem unknown that are not
	}
	l.evaluate()
	l.top()
	l.services()
	l.listeners()
	l.cross()
}

// read reads a file and remembers it for SaveLastGood.
func (l *loader) read(path string, limit int64) ([]byte, error) {
	b, err := l.opt.files.read(path, limit)
	if err == nil {
		l.cfg.texts[path] = b
	}
	return b, err
}

// addFile reads and parses a file, or sets broken. at is what names it.
func (l *loader) addFile(file string, at hcl.Range) {
	b, err := l.read(file, maxFile)
	if err != nil {
		summary, remedy := "Cannot read the config file", ""
		switch {
		case at.Filename != "":
			summary = "Cannot read an included file"
		case errors.Is(err, fs.ErrNotExist):
			remedy = " Name another file, or write one with: portico init"
		}
		l.errorf(at, summary, "%s cannot be read: %s.%s", file, reason(err), remedy)
		l.broken = true
		return
	}
	f, diags := parse(b, file)
	l.src.files[file] = f
	l.cfg.Files = append(l.cfg.Files, file)
	l.add(diags)
	if diags.HasErrors() {
		l.broken = true
		return
	}
	body := f.Body.(*hclsyntax.Body)
	content, more := settings.Content(body, topSchema())
	l.add(more)
	l.parts = append(l.parts, part{file, body, content})
	l.ectxs[file] = l.newContext(file)
}

func (l *loader) newContext(file string) *hcl.EvalContext {
	return &hcl.EvalContext{Functions: l.functions(file), Variables: map[string]cty.Value{}}
}

func topSchema() *hcl.BodySchema {
	block := func(name string, labels ...string) hcl.BlockHeaderSchema {
		return hcl.BlockHeaderSchema{Type: name, LabelNames: labels}
	}
	return &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "data_dir"}, {Name: "drain"}, {Name: "include"}},
		Blocks: []hcl.BlockHeaderSchema{
			block("variable", "name"), block("locals"), block("log"), block("admin"), block("accounts"),
			block("limits"), block("storage"), block("service", "kind", "name"), block("listener", "name"),
		},
	}
}

// include adds the files that the main file includes.
func (l *loader) include() {
	main := l.parts[0]
	attr := main.content.Attributes["include"]
	if attr == nil {
		return
	}
	if names := attr.Expr.Variables(); len(names) > 0 {
		l.errorf(names[0].SourceRange(), "Includes cannot be made of variables",
			"The files are read before variables have values. Write the names as they are; env(\"NAME\") works.")
		l.broken = true
		return
	}
	var inc struct {
		Include settings.Texts `hcl:"include,optional"`
	}
	one := &hclsyntax.Body{Attributes: hclsyntax.Attributes{"include": main.body.Attributes["include"]}, SrcRange: attr.Range}
	l.add(settings.Decode(one, l.ectxs[main.file], &inc))
	for _, pattern := range inc.Include {
		l.includeOne(pattern)
	}
	for _, p := range l.parts[1:] {
		if nested := p.content.Attributes["include"]; nested != nil {
			l.errorf(nested.NameRange, "An included file cannot include",
				"Only the main file includes. Move the line to %s.", main.file)
		}
	}
}

func (l *loader) includeOne(pattern settings.Text) {
	path := settings.Resolve(pattern.At.Filename, pattern.Value)
	found := []string{path}
	if strings.ContainsAny(pattern.Value, "*?[") {
		var err error
		if found, err = l.opt.files.glob(path); err != nil {
			l.errorf(pattern.At, "Invalid pattern", "%q has a bracket that is not closed, or ends with a backslash.", pattern.Value)
			return
		}
	}
	for _, file := range found {
		if slices.Contains(l.cfg.Files, file) {
			continue
		}
		if len(l.cfg.Files) == maxFiles {
			l.errorf(pattern.At, "Too many files", "A config has at most %d files. Merge some.", maxFiles)
			return
		}
		l.addFile(file, pattern.At)
	}
}

// blocks are the blocks of a type over all files.
func (l *loader) blocks(typ string) (all hcl.Blocks) {
	for _, p := range l.parts {
		all = append(all, p.content.Blocks.OfType(typ)...)
	}
	return all
}

// attribute returns the attribute that may stand once over all files.
func (l *loader) attribute(name string) (found *hcl.Attribute) {
	for _, p := range l.parts {
		a := p.content.Attributes[name]
		switch {
		case a == nil:
		case found != nil:
			l.errorf(a.NameRange, fmt.Sprintf("%q is set twice", name),
				"It is set once over all files; the other place is %s. Remove one.", place(found.NameRange))
		default:
			found = a
		}
	}
	return found
}

// single decodes the block that may stand once over all files into the struct
// that into points to, and returns its range.
func (l *loader) single(typ string, into any) hcl.Range {
	all := l.blocks(typ)
	for i := 1; i < len(all); i++ {
		l.errorf(all[i].DefRange, fmt.Sprintf("Second %q block", typ),
			"It stands once over all files; the other place is %s. Merge the two.", place(all[0].DefRange))
	}
	if len(all) == 0 {
		return hcl.Range{}
	}
	l.decode(all[0], into)
	return all[0].DefRange
}

// decode decodes the body of b. What is said about the body as a whole is shown
// at its header.
func (l *loader) decode(b *hcl.Block, into any) bool {
	diags := settings.Decode(b.Body, l.ectx(b.DefRange), into)
	l.add(atHeader(diags, b))
	return !diags.HasErrors()
}

func atHeader(diags hcl.Diagnostics, b *hcl.Block) hcl.Diagnostics {
	for _, d := range diags {
		if d.Subject != nil && *d.Subject == b.Body.MissingItemRange() {
			d.Subject = b.DefRange.Ptr()
		}
	}
	return diags
}

// ectx is the context of expressions in the file of r.
func (l *loader) ectx(r hcl.Range) *hcl.EvalContext { return l.ectxs[r.Filename] }

// place names a place in a file.
func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d", shortName(r.Filename), r.Start.Line)
}

const maxDiags = 200

// finish orders the diagnostics as the files are, drops what is said twice and
// takes secrets out.
func (l *loader) finish() hcl.Diagnostics {
	order := map[string]int{}
	for i, f := range l.cfg.Files {
		order[f] = i
	}
	slices.SortStableFunc(l.diags, func(a, b *hcl.Diagnostic) int {
		fileA, byteA := position(a, order)
		fileB, byteB := position(b, order)
		return cmp.Or(cmp.Compare(fileA, fileB), cmp.Compare(byteA, byteB))
	})
	for _, d := range l.diags {
		l.reword(d)
	}
	l.diags = slices.CompactFunc(l.diags, func(a, b *hcl.Diagnostic) bool {
		return a.Subject != nil && b.Subject != nil && *a.Subject == *b.Subject && a.Summary == b.Summary && a.Detail == b.Detail
	})
	if n := len(l.diags) - maxDiags; n > 0 {
		l.diags = append(l.diags[:maxDiags], &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: fmt.Sprintf("%d more mistakes", n), Detail: "Only the first are shown.",
		})
	}
	for _, d := range l.diags {
		if l.aboutSecret(d) {
			d.Detail = "A secret is part of this, so the reason is not shown."
		}
		d.Summary, d.Detail = l.secrets.redactMessage(d.Summary), l.secrets.redactMessage(d.Detail)
		d.Expression, d.EvalContext = nil, nil // they hold values
	}
	return l.diags
}

// position is where a diagnostic comes among all: without a place first.
func position(d *hcl.Diagnostic, order map[string]int) (file, offset int) {
	if d.Subject == nil {
		return -1, 0
	}
	return order[d.Subject.Filename], d.Subject.Start.Byte
}

// sortedKeys are the keys of m in order, for messages and for the same order
// every time.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
