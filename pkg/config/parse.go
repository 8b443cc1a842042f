package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const (
	maxNesting = 1000   // of brackets, braces and templates; of locals
	maxChain   = 10_000 // tokens of one expression without a comma
	maxUnseen  = 8000   // of what could nest or chain, in files that are not looked at
)

// parse turns a file into a syntax tree. HCL's parser and evaluator recurse, so
// what could exhaust the stack is refused by looking at the tokens first.
func parse(src []byte, name string) (file *hcl.File, diags hcl.Diagnostics) {
	if d := tooDeep(src, name); d != nil {
		return &hcl.File{Bytes: src, Body: &hclsyntax.Body{}}, hcl.Diagnostics{d}
	}
	defer func() {
		// The parser checks its own bookkeeping with panics.
		if r := recover(); r != nil {
			file = &hcl.File{Bytes: src, Body: &hclsyntax.Body{}}
			diags = hcl.Diagnostics{{
				Severity: hcl.DiagError,
				Summary:  "The file cannot be parsed",
				Detail:   fmt.Sprintf("HCL's parser gave up: %v.", r),
				Subject:  &hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos},
			}}
		}
	}()
	file, diags = hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	return file, plainSyntax(diags, src)
}

// suspicious reports whether src has enough brackets and operators to exhaust
// the stack if they all stood inside of each other.
func suspicious(src []byte) bool {
	n := 0
	for _, b := range src {
		switch b {
		case '(', '[', '{', '!', '-', '+', '*', '/', '%', '?', '<', '>', '&', '|':
			n++
		}
	}
	return n > maxUnseen
}

func tooDeep(src []byte, name string) *hcl.Diagnostic {
	if !suspicious(src) {
		return nil // most files; the tokens need not be read twice
	}
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos) // parsing reports the same again
	depth, chain := 0, 0
	var parens []bool // whether a newline ends an expression at this depth
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
			parens = append(parens, t.Type != hclsyntax.TokenOBrace)
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			depth--
			if len(parens) > 0 {
				parens = parens[:len(parens)-1]
			}
		case hclsyntax.TokenStringLit, hclsyntax.TokenQuotedLit, hclsyntax.TokenComment, hclsyntax.TokenIdent, hclsyntax.TokenDot:
			continue // they make nothing deeper
		case hclsyntax.TokenComma, hclsyntax.TokenEqual:
			chain = 0
		case hclsyntax.TokenNewline:
			if len(parens) == 0 || !parens[len(parens)-1] {
				chain = 0
			}
		}
		chain++
		if depth > maxNesting || chain > maxChain {
			return &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Nested too deeply",
				Detail: fmt.Sprintf("Brackets may be nested %d deep, and an expression may have %d parts. "+
					"Split it with locals.", maxNesting, maxChain),
				Subject: t.Range.Ptr(),
			}
		}
	}
	return nil
}
