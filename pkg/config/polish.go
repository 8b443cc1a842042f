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

// polish rewords what HCL and its functions say where they leave out the
// remedy, and drops what only repeats the mistake before.
func (l *loader) polish(diags hcl.Diagnostics) hcl.Diagnostics {
	var kept hcl.Diagnostics
	brokenLine := 0
	for _, d := range diags {
		if d.Subject != nil {
			at := *d.Subject
			if brokenLine > 0 && strings.Contains(d.Summary, "string") {
				continue // the string went on to here
			}
			if d.Summary == "Invalid multi-line string" {
				brokenLine = at.Start.Line
			}
			l.reword(d, at)
		}
		kept = append(kept, d)
	}
	return kept
}

var (
	parameter = regexp.MustCompile(`^Invalid value for "\w+" parameter: `)
	redefined = regexp.MustCompile(`already set at .*:(\d+),[\d-]+\.`)
	missing   = regexp.MustCompile(`^Missing \w+ for (\w+)$`)
)

// reword finds HCL's messages by their summary. One that a later version of HCL
// words in another way stays as it is.
func (l *loader) reword(d *hcl.Diagnostic, at hcl.Range) {
	word := l.src.text(at)
	switch d.Summary {
	case "Attribute redefined":
		d.Summary = fmt.Sprintf("%q is set twice", word)
		if m := redefined.FindStringSubmatch(d.Detail); m != nil {
			d.Detail = fmt.Sprintf("The other place is line %s. Remove one.", m[1])
		}
	case "Unclosed configuration block":
		d.Summary = "A closing brace is missing"
		d.Detail = "The block that begins here goes on to the end of the file. Close it, or look for a brace too few in one of those that follow."
	case "Invalid single-argument block definition":
		d.Summary = "Too much for one line"
		d.Detail = "A block in one line holds one option. Give each option a line of its own."
	case "Invalid multi-line string":
		d.Summary = "The string is not closed"
		d.Detail = `A closing quote is missing in this line. For a line break inside of a string write \n.`
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
	case "Unknown variable", "Unsupported attribute":
		d.Detail = strings.TrimSpace(d.Detail)
	}
	if m := missing.FindStringSubmatch(d.Summary); m != nil {
		l.rewordLabels(d, m[1])
	}
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

// notYet rewords the message about an option that a later version will have.
func notYet(d *hcl.Diagnostic) {
	u, ok := hcl.DiagnosticExtra[settings.Unknown](d)
	if !ok || !slices.Contains([]string{"acme", "client_ca", "http3", "storage"}, u.Name) {
		return
	}
	d.Summary = fmt.Sprintf("%q is not supported yet", u.Name)
	d.Detail = "A later version will have it. Remove it."
	if u.Name == "acme" {
		d.Detail = "A later version will have it. Use certificate blocks with file and key, or self_signed = true."
	}
}
