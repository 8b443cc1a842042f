package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/porticod/portico/pkg/settings"
)

var (
	namePattern     = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	variablePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
)

// names are the things that expressions may refer to.
type names struct {
	vars   map[string]cty.Value
	wrong  map[string]bool // vars whose declaration is a mistake, not to be suggested
	locals map[string]*local
	// undeclared are names that were used without being declared, as var.x and
	// local.x. They are unknown values in vars and locals.
	undeclared map[string]bool
}

// A local is a named value, evaluated when it is first needed.
type local struct {
	attr    *hcl.Attribute
	value   cty.Value
	done    bool
	running bool
}

// evaluate finds the values of variables and locals and makes them visible to
// all files, data_dir first: secrets need it.
func (l *loader) evaluate() {
	l.names = names{vars: map[string]cty.Value{}, wrong: map[string]bool{}, undeclared: map[string]bool{}, locals: map[string]*local{}}
	l.variables()
	l.collectLocals()
	for _, p := range l.parts {
		l.checkBody(p.body)
	}
	for _, ectx := range l.ectxs {
		ectx.Variables["var"] = cty.ObjectVal(l.names.vars)
	}
	l.dataDir()
	values := map[string]cty.Value{}
	for _, name := range sortedKeys(l.names.locals) {
		values[name] = l.local(name, nil)
	}
	for _, ectx := range l.ectxs {
		ectx.Variables["local"] = cty.ObjectVal(values)
	}
}

// collectLocals finds the locals of all files without evaluating them.
func (l *loader) collectLocals() {
	for _, b := range l.blocks("locals") {
		attrs, diags := b.Body.JustAttributes()
		l.add(diags)
		for _, name := range sortedKeys(attrs) {
			a := attrs[name]
			switch first := l.names.locals[name]; {
			case first != nil:
				l.errorf(a.NameRange, fmt.Sprintf("local.%s is set twice", name),
					"The other place is %s. Remove or rename one.", place(first.attr.NameRange))
			default:
				l.names.locals[name] = &local{attr: a}
			}
		}
	}
}

// local evaluates a local and what it needs. chain are the locals that led here.
func (l *loader) local(name string, chain []string) cty.Value {
	loc := l.names.locals[name]
	chain = append(chain, "local."+name)
	switch {
	case loc == nil:
		return cty.DynamicVal // reported by checkBody
	case loc.running:
		l.cycle(loc, chain)
		return cty.DynamicVal
	case loc.done:
		return loc.value
	}
	loc.running = true
	loc.value = cty.DynamicVal
	if val, diags := l.value(loc.attr, chain); !diags.HasErrors() {
		loc.value = val
	} else {
		l.add(diags)
	}
	loc.running, loc.done = false, true
	return loc.value
}

func (l *loader) cycle(loc *local, chain []string) {
	end := chain[len(chain)-1]
	for chain[0] != end {
		chain = chain[1:]
	}
	l.errorf(loc.attr.Range, end+" needs itself",
		"It goes in a circle: %s. Give one of them a value of its own.", strings.Join(chain, " -> "))
}

// value evaluates an attribute with only those locals that it refers to.
func (l *loader) value(a *hcl.Attribute, chain []string) (cty.Value, hcl.Diagnostics) {
	if len(chain) > maxNesting {
		return cty.DynamicVal, hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Nested too deeply", Subject: a.Range.Ptr(),
			Detail: fmt.Sprintf("Locals may need each other %d deep.", maxNesting),
		}}
	}
	return a.Expr.Value(l.contextFor(a, chain))
}

// contextFor is the context of a's file, narrowed to the locals that a needs.
func (l *loader) contextFor(a *hcl.Attribute, chain []string) *hcl.EvalContext {
	needed := map[string]cty.Value{}
	for _, t := range a.Expr.Variables() {
		if name := member(t, "local"); name != "" {
			needed[name] = l.local(name, chain)
		}
	}
	ectx := l.ectx(a.Range).NewChild()
	ectx.Variables = map[string]cty.Value{"local": cty.ObjectVal(needed)}
	return ectx
}

// member returns b of a traversal root.b, or the empty string.
func member(t hcl.Traversal, root string) string {
	if len(t) < 2 || t.RootName() != root {
		return ""
	}
	if step, ok := t[1].(hcl.TraverseAttr); ok {
		return step.Name
	}
	return ""
}

// checkBody reports every name in the expressions of b that does not exist, and
// makes it unknown, so that evaluation says nothing more about it.
func (l *loader) checkBody(b *hclsyntax.Body) {
	for _, a := range b.Attributes {
		if a.Name == "service" {
			continue // a reference, or meant to be one
		}
		for _, t := range a.Expr.Variables() {
			l.checkName(t)
		}
	}
	for _, block := range b.Blocks {
		l.checkBody(block.Body)
	}
}

func (l *loader) checkName(t hcl.Traversal) {
	at := t.SourceRange()
	switch root := t.RootName(); root {
	case "var":
		name := member(t, "var")
		if _, ok := l.names.vars[name]; ok && !l.names.undeclared["var."+name] {
			return
		}
		l.unknownMember(at, "var", name, l.knownVars(),
			fmt.Sprintf("Declare it: variable %q { default = ... }", name))
		l.wrongVar(name)
		l.names.undeclared["var."+name] = true
	case "local":
		name := member(t, "local")
		if _, ok := l.names.locals[name]; ok && !l.names.undeclared["local."+name] {
			return
		}
		l.unknownMember(at, "local", name, l.knownLocals(),
			fmt.Sprintf("Define it: locals { %s = ... }", name))
		l.names.undeclared["local."+name] = true
		l.names.locals[name] = &local{done: true, value: cty.DynamicVal, attr: &hcl.Attribute{NameRange: at}}
	case "service":
		l.errorf(at, "A service is not a value", "It can only be named by itself, as in service = service.chat.lobby.")
		l.hide(root)
	default:
		l.unknownRoot(at, t)
		l.hide(root)
	}
}

func (l *loader) knownLocals() []string {
	return slices.DeleteFunc(sortedKeys(l.names.locals), func(name string) bool { return l.names.undeclared["local."+name] })
}

func (l *loader) unknownMember(at hcl.Range, root, name string, known []string, remedy string) {
	if name == "" {
		l.errorf(at, fmt.Sprintf("%q alone is not a value", root), "Name one, as in %s.name.", root)
		return
	}
	if s := settings.Suggest(name, known); s != "" {
		remedy = fmt.Sprintf("Did you mean %s.%s?", root, s)
	}
	l.errorf(at, fmt.Sprintf("There is no %s.%s", root, name), "%s", remedy)
}

func (l *loader) unknownRoot(at hcl.Range, t hcl.Traversal) {
	root := t.RootName()
	if len(t) == 1 {
		l.errorf(at, fmt.Sprintf("%s is not known", root), "If it is text, put it in quotes: %q.", root)
		return
	}
	l.errorf(at, fmt.Sprintf("%s is not known", root),
		"Names begin with var or local, as in var.name. %s", l.rootHint(root, t))
}

func (l *loader) rootHint(root string, t hcl.Traversal) string {
	if s := settings.Suggest(root, []string{"var", "local"}); s != "" {
		if step, ok := t[1].(hcl.TraverseAttr); ok {
			return fmt.Sprintf("Did you mean %s.%s?", s, step.Name)
		}
	}
	return "If it is text, put it in quotes."
}

// hide makes a name that was reported unknown in all files.
func (l *loader) hide(root string) {
	for _, ectx := range l.ectxs {
		ectx.Variables[root] = cty.DynamicVal
	}
}
