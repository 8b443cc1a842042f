package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/porticod/portico/pkg/settings"
)

var (
	parameter = regexp.MustCompile(`^Invalid value for "\w+" parameter: `)
	tooMany   = regexp.MustCompile(`^Extraneous label for (\w+)$`)
	missing   = regexp.MustCompile(`^Missing \w+ for (\w+)$`)
)

// reword rewords what HCL's evaluation and functions say where they leave out the
// remedy. It finds messages by their summary; one that a later version of HCL
// words in another way stays as it is.
func (l *loader) reword(d *hcl.Diagnostic) {
	if d.Subject == nil {
		return
	}
	word := l.src.text(*d.Subject)
	switch d.Summary {
	case "Call to unknown function":
		d.Summary = fmt.Sprintf("There is no function %q", word)
		d.Detail = settings.DidYouMean(word, "Functions are", sortedKeys(l.functions("")))
	case "Invalid function argument", "Error in function call":
		d.Summary = "The function failed"
		if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok {
			d.Summary = call.CalledFunctionName() + "() failed"
		}
		d.Detail = upperFirst(parameter.ReplaceAllString(d.Detail, ""))
	case "Variables not allowed":
		d.Summary = "Names cannot be used here"
		d.Detail = "A default is a value of its own. For what is made of variables use locals."
	case "Invalid index":
		d.Detail = "There is nothing at this place. The first element of a list is [0]."
	case "Invalid template interpolation value":
		d.Detail = strings.Replace(d.Detail, "Cannot include the given value in a string template:", "Only text and numbers can be put into text:", 1)
	}
	if m := tooMany.FindStringSubmatch(d.Summary); m != nil {
		d.Summary = fmt.Sprintf("The header of the %s has a label too many", m[1])
		d.Detail = fmt.Sprintf("Remove %s.", word)
	}
	if m := missing.FindStringSubmatch(d.Summary); m != nil {
		l.rewordLabels(d, m[1])
	}
}

// aboutSecret reports whether d is about an expression in which a secret takes
// part. What HCL's functions say may quote what they were given, changed beyond
// recognition.
func (l *loader) aboutSecret(d *hcl.Diagnostic) bool {
	if d.Expression == nil || d.EvalContext == nil || len(l.secrets.values) == 0 {
		return false
	}
	for _, t := range d.Expression.Variables() {
		if val, diags := t.TraverseAbs(d.EvalContext); !diags.HasErrors() && val.ContainsMarked() {
			return true
		}
	}
	node, ok := d.Expression.(hclsyntax.Node)
	if !ok {
		return false
	}
	called := false
	// The callback reports nothing, and so does VisitAll.
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		called = called || ok && call.Name == "secret" && n != node
		return nil
	})
	return called
}

// rewordLabels is for blocks with too few labels.
func (l *loader) rewordLabels(d *hcl.Diagnostic, typ string) {
	schema := topSchema().Blocks
	i := slices.IndexFunc(schema, func(b hcl.BlockHeaderSchema) bool { return b.Type == typ })
	if i < 0 {
		return
	}
	d.Summary = fmt.Sprintf("The header of the %s is not complete", typ)
	d.Detail = fmt.Sprintf("Write %s \"%s\" { ... }", typ, strings.Join(schema[i].LabelNames, `" "`))
	if typ == "service" {
		d.Detail = "Write the kind, then a name: service \"static\" \"site\" { ... }"
	}
	if typ == "listener" {
		d.Detail = "Give it a name: listener \"web\" { ... }"
	}
}
