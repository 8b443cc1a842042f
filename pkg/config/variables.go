package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/porticod/portico/pkg/settings"
)

// variables finds the value of every variable: --var, the environment, the
// default, in this order.
func (l *loader) variables() {
	places := map[string]hcl.Range{}
	for _, b := range l.blocks("variable") {
		name := b.Labels[0]
		if !l.checkLabel(b.LabelRanges[0], "variable", name, variablePattern.MatchString(name)) {
			l.wrongVar(name)
			continue
		}
		if first, dup := places[name]; dup {
			l.errorf(b.DefRange, fmt.Sprintf("Second variable %q", name),
				"The other place is %s. Remove or rename one.", place(first))
			continue
		}
		places[name] = b.DefRange
		l.names.vars[name] = l.variable(name, b)
	}
	for _, name := range sortedKeys(l.opt.Vars) {
		if _, ok := l.names.vars[name]; !ok {
			remedy := "The file declares no variable."
			if known := l.knownVars(); len(known) > 0 {
				remedy = settings.DidYouMean(name, "Variables are", known)
			}
			l.errorf(hcl.Range{}, fmt.Sprintf("--var %s: there is no such variable", name), "%s", remedy)
		}
	}
}

// wrongVar makes a variable unknown, about which enough was said.
func (l *loader) wrongVar(name string) {
	l.names.vars[name] = cty.DynamicVal
	l.names.wrong[name] = true
}

func (l *loader) knownVars() []string {
	return slices.DeleteFunc(sortedKeys(l.names.vars), func(name string) bool { return l.names.wrong[name] })
}

// variable returns a variable's value, unknown where that was a mistake.
func (l *loader) variable(name string, b *hcl.Block) cty.Value {
	var v variableBlock
	if !l.decode(b, &v) {
		return cty.DynamicVal
	}
	def := cty.NilVal
	if v.Default != nil {
		val, diags := v.Default.Expr.Value(&hcl.EvalContext{Functions: l.ectx(b.DefRange).Functions})
		l.add(diags)
		if diags.HasErrors() {
			return cty.DynamicVal
		}
		def = val
	}
	given, from, ok := l.given(name)
	switch {
	case ok:
		return l.parseVariable(b, name, given, from, def)
	case def != cty.NilVal:
		return def
	}
	remedy := fmt.Sprintf("Start with --var %s=..., set PORTICO_VAR_%s in the environment, or add a default.", name, name)
	if v.Description != "" {
		remedy = v.Description + "\n" + remedy
	}
	l.errorf(b.DefRange, fmt.Sprintf("Variable %q has no value", name), "%s", remedy)
	return cty.DynamicVal
}

// given looks for a value from outside and says where it came from.
func (l *loader) given(name string) (value, from string, ok bool) {
	if v, ok := l.opt.Vars[name]; ok {
		return v, "--var", true
	}
	if v := l.opt.Getenv("PORTICO_VAR_" + name); v != "" {
		return v, "PORTICO_VAR_" + name, true
	}
	return "", "", false
}

// parseVariable turns text from outside into the type of the default: text as
// it is, numbers and booleans by their names, everything else written as HCL.
func (l *loader) parseVariable(b *hcl.Block, name, given, from string, def cty.Value) cty.Value {
	val := cty.StringVal(given)
	if def == cty.NilVal || def.IsNull() || def.Type() == cty.String {
		return val
	}
	def, marks := def.UnmarkDeep() // its type is no secret
	want := def.Type()
	if !want.IsPrimitiveType() {
		if val = literal(given); val == cty.NilVal {
			l.errorf(b.DefRange, fmt.Sprintf("Invalid value for variable %q", name),
				"%s must be written as in the file, like its default: %s.", from, describeType(want))
			return cty.DynamicVal
		}
		if isList(want) && isList(val.Type()) || isMap(want) && isMap(val.Type()) {
			return val.WithMarks(marks)
		}
	} else if v, err := convert.Convert(val, want); err == nil {
		return v
	}
	l.errorf(b.DefRange, fmt.Sprintf("Invalid value for variable %q", name),
		"The default makes it %s, which the value of %s is not.", describeType(want), from)
	return cty.DynamicVal
}

// literal evaluates an expression without names; NilVal if it is none.
func literal(src string) cty.Value {
	if len(src) > maxFile || tooDeep([]byte(src), "") != nil {
		return cty.NilVal
	}
	expr, diags := hclsyntax.ParseExpression([]byte(src), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal
	}
	val, diags := expr.Value(nil)
	if diags.HasErrors() || !val.IsWhollyKnown() || val.IsNull() {
		return cty.NilVal
	}
	return val
}

func isList(t cty.Type) bool { return t.IsTupleType() || t.IsListType() || t.IsSetType() }
func isMap(t cty.Type) bool  { return t.IsObjectType() || t.IsMapType() }

func describeType(t cty.Type) string {
	switch {
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case isList(t):
		return `a list, like ["a", "b"]`
	}
	return `a map, like { name = "value" }`
}

// checkLabel reports a name that breaks the rules.
func (l *loader) checkLabel(at hcl.Range, what, name string, ok bool) bool {
	if ok {
		return true
	}
	extra := ", dashes"
	if what == "variable" {
		extra = ""
	}
	l.errorf(at, fmt.Sprintf("%q cannot be the name of a %s", name, what),
		"A name begins with a small letter, goes on with small letters, digits, underscores%s, and has at most 63 characters.", extra)
	return false
}
