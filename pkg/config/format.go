package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns src in the canonical layout, or why it cannot be parsed. name
// is for the diagnostics. The Source of a failed format is SourceOf(name, src).
func Format(src []byte, name string) ([]byte, hcl.Diagnostics) {
	if _, diags := parse(src, name); diags.HasErrors() {
		return nil, diags
	}
	return hclwrite.Format(src), nil
}

// SourceOf is the Source of one file that was not loaded.
func SourceOf(name string, src []byte) *Source {
	f, _ := parse(src, name)
	return &Source{files: map[string]*hcl.File{name: f}}
}
