package settings

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Unknown is the Extra of a diagnostic about an option that does not exist.
type Unknown struct{ Name string }

// Content is body.Content with messages that name the remedy. Of attributes and
// blocks that the schema does not have, every one is reported, with Unknown.
func Content(body hcl.Body, schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	content, remain, diags := body.PartialContent(schema)
	return content, append(diags, leftovers(remain, schema)...)
}

func leftovers(remain hcl.Body, schema *hcl.BodySchema) (diags hcl.Diagnostics) {
	// The diagnostics of JustAttributes are about blocks, which come below.
	attrs, _ := remain.JustAttributes()
	for name, attr := range attrs {
		diags = append(diags, unknown(name, attr.NameRange, schema, false))
	}
	syntax, ok := remain.(*hclsyntax.Body)
	if !ok {
		_, more := remain.Content(&hcl.BodySchema{})
		return append(diags, more...)
	}
	known := map[string]bool{}
	for _, b := range schema.Blocks {
		known[b.Type] = true
	}
	for _, b := range syntax.Blocks {
		if !known[b.Type] {
			diags = append(diags, unknown(b.Type, b.TypeRange, schema, true))
		}
	}
	return diags
}

// isAmong reports whether diags has one about the unknown option name.
func isAmong(diags hcl.Diagnostics, name string) bool {
	for _, d := range diags {
		if u, ok := hcl.DiagnosticExtra[Unknown](d); ok && u.Name == name {
			return true
		}
	}
	return false
}

func unknown(name string, at hcl.Range, schema *hcl.BodySchema, block bool) *hcl.Diagnostic {
	d := &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  fmt.Sprintf("Unknown option %q", name),
		Subject:  &at,
		Extra:    Unknown{name},
	}
	var known []string
	for _, a := range schema.Attributes {
		if a.Name == name && block {
			d.Summary = fmt.Sprintf("%q is not a block", name)
			d.Detail = fmt.Sprintf("Give it a value with an equals sign: %s = ...", name)
			return d
		}
		known = append(known, a.Name)
	}
	for _, b := range schema.Blocks {
		if b.Type == name && !block {
			d.Summary = fmt.Sprintf("%q is a block", name)
			d.Detail = fmt.Sprintf("Write it without an equals sign: %s { ... }", header(b))
			return d
		}
		known = append(known, b.Type)
	}
	if d.Detail = DidYouMean(name, "Options here are", known); d.Detail == "" {
		d.Detail = "There are no options here; remove it."
	}
	return d
}

func header(b hcl.BlockHeaderSchema) string {
	s := b.Type
	for _, l := range b.LabelNames {
		s += fmt.Sprintf(" %q", l)
	}
	return s
}
