package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// declared is a service block. spec is only meaningful where ok.
type declared struct {
	spec  service.Spec
	known bool // its kind exists
	at    hcl.Range
	used  bool
}

// services decodes the service blocks.
func (l *loader) services() {
	l.declared = map[service.Ref]*declared{}
	for _, b := range l.blocks("service") {
		l.service(b)
	}
}

func (l *loader) service(b *hcl.Block) {
	ref := service.Ref{Kind: b.Labels[0], Name: b.Labels[1]}
	l.checkLabel(b.LabelRanges[1], "service", ref.Name, namePattern.MatchString(ref.Name))
	d := &declared{at: b.DefRange}
	if first := l.declared[ref]; first != nil {
		l.errorf(b.DefRange, fmt.Sprintf("Second service %q %q", ref.Kind, ref.Name),
			"The other place is %s. Remove or rename one.", place(first.at))
	} else {
		l.declared[ref] = d
		l.cfg.places["service."+ref.String()] = b.DefRange
	}
	kind, ok := l.opt.Kinds[ref.Kind]
	if !ok {
		l.errorf(b.LabelRanges[0], fmt.Sprintf("There is no kind of service %q", ref.Kind),
			"%s", settings.DidYouMean(ref.Kind, "Kinds are", l.opt.Kinds.Names()))
		return
	}
	d.known = true
	for _, e := range settings.Secrets(b.Body, kind.ConfigType()) {
		l.keepLiterals(e)
	}
	spec, diags := kind.Decode(ref.Name, b.Body, l.ectx(b.DefRange))
	l.add(atHeader(diags, b))
	d.spec = service.Spec{Kind: kind, Name: ref.Name, Config: spec.Config}
	l.cfg.Services = append(l.cfg.Services, d.spec)
}

// keepLiterals keeps secrets out of messages that are written into the file as
// they are. What secret() is called with is no secret.
func (l *loader) keepLiterals(e hcl.Expression) {
	if elems, diags := hcl.ExprList(e); !diags.HasErrors() {
		for _, elem := range elems {
			l.keepLiterals(elem)
		}
		return
	}
	if t, ok := e.(*hclsyntax.TemplateExpr); ok && t.IsStringLiteral() {
		if val, diags := t.Value(nil); !diags.HasErrors() {
			l.secrets.Keep(val.AsString())
		}
	}
}

// reference reads service.<kind>.<name> and returns the service, or nil after
// reporting what is wrong.
func (l *loader) reference(a *hcl.Attribute) *declared {
	at := a.Expr.Range()
	ref, ok := l.parseReference(a)
	if !ok {
		return nil
	}
	if d := l.declared[ref]; d != nil {
		d.used = true
		if !d.known {
			return nil // reported at its block
		}
		return d
	}
	if _, ok := l.opt.Kinds[ref.Kind]; !ok {
		remedy := l.suggestService(ref)
		if remedy == "" {
			remedy = settings.DidYouMean(ref.Kind, "Kinds are", l.opt.Kinds.Names())
		}
		l.errorf(at, fmt.Sprintf("There is no kind of service %q", ref.Kind), "%s", remedy)
		return nil
	}
	remedy := l.suggestService(ref)
	if remedy == "" {
		remedy = fmt.Sprintf("Add it: service %q %q {}", ref.Kind, ref.Name)
	}
	l.errorf(at, fmt.Sprintf("There is no service.%s", ref), "%s", remedy)
	return nil
}

// suggestService looks for a service that ref may mean, first by its name,
// because the kind is what people mix up; empty if there is none.
func (l *loader) suggestService(ref service.Ref) string {
	var sameName, all []string
	for r := range l.declared {
		if r.Name == ref.Name {
			sameName = append(sameName, "service."+r.String())
		}
		all = append(all, "service."+r.String())
	}
	slices.Sort(all)
	meant := settings.Suggest("service."+ref.String(), all)
	if meant == "" && len(sameName) == 1 {
		meant = sameName[0]
	}
	if meant == "" {
		return ""
	}
	return fmt.Sprintf("Did you mean %s?", meant)
}

func (l *loader) parseReference(a *hcl.Attribute) (ref service.Ref, ok bool) {
	words := referenceWords(a.Expr)
	if len(words) == 3 && words[0] == "service" && !isText(a.Expr) {
		return service.Ref{Kind: words[1], Name: words[2]}, true
	}
	remedy := "Name a service by its kind and name, like service.static.site."
	if meant := l.meant(words); meant != "" {
		remedy = fmt.Sprintf("Did you mean %s?", meant)
	}
	if isText(a.Expr) {
		remedy += " It is written without quotes."
	}
	l.errorf(a.Expr.Range(), "A service is needed here", "%s", remedy)
	return ref, false
}

// isText reports whether e is a quoted string.
func isText(e hcl.Expression) bool {
	val, diags := e.Value(nil)
	return !diags.HasErrors() && val.Type() == cty.String && val.IsKnown() && !val.IsNull()
}

// referenceWords are the names of a.b.c or "a.b.c"; nil for anything else.
func referenceWords(e hcl.Expression) (words []string) {
	if isText(e) {
		val, _ := e.Value(nil)
		return strings.Split(val.AsString(), ".")
	}
	t, diags := hcl.AbsTraversalForExpr(e)
	if diags.HasErrors() {
		return nil
	}
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			words = append(words, s.Name)
		case hcl.TraverseAttr:
			words = append(words, s.Name)
		default:
			return nil
		}
	}
	return words
}

// meant is the one service that words name in part: its kind, its name or both.
func (l *loader) meant(words []string) string {
	if len(words) > 0 && words[0] == "service" {
		words = words[1:]
	}
	var found []string
	for ref := range l.declared {
		switch {
		case len(words) >= 2 && ref.Kind == words[0] && ref.Name == words[1]:
			return "service." + ref.String()
		case len(words) == 1 && (ref.Kind == words[0] || ref.Name == words[0]):
			found = append(found, "service."+ref.String())
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return ""
}
