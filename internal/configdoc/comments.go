package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

const module = "github.com/porticod/portico/"

// comments finds doc comments of types and fields in the source of this module.
type comments struct {
	root string
	pkgs map[string]map[string]*ast.TypeSpec // by package path and type name
	docs map[*ast.TypeSpec]string
}

func newComments(root string) *comments {
	return &comments{root: root, pkgs: map[string]map[string]*ast.TypeSpec{}, docs: map[*ast.TypeSpec]string{}}
}

// spec is the declaration of t, which is a named struct of this module.
func (c *comments) spec(t reflect.Type) (*ast.TypeSpec, error) {
	rel, ok := strings.CutPrefix(t.PkgPath(), module)
	if !ok {
		return nil, fmt.Errorf("%s is not of this module", t)
	}
	if c.pkgs[rel] == nil {
		if err := c.parse(rel); err != nil {
			return nil, err
		}
	}
	spec := c.pkgs[rel][t.Name()]
	if spec == nil {
		return nil, fmt.Errorf("%s is not declared in %s", t, rel)
	}
	return spec, nil
}

func (c *comments) parse(rel string) error {
	files, err := filepath.Glob(filepath.Join(c.root, rel, "*.go"))
	if err != nil {
		return err
	}
	types := map[string]*ast.TypeSpec{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, s := range gen.Specs {
				spec := s.(*ast.TypeSpec)
				types[spec.Name.Name] = spec
				c.docs[spec] = spec.Doc.Text()
				if spec.Doc == nil && len(gen.Specs) == 1 {
					c.docs[spec] = gen.Doc.Text()
				}
			}
		}
	}
	c.pkgs[rel] = types
	return nil
}

// ofType is the doc comment of t.
func (c *comments) ofType(t reflect.Type) (string, error) {
	spec, err := c.spec(t)
	if err != nil {
		return "", err
	}
	return sentence(c.docs[spec], t.Name()), nil
}

// ofField is the doc comment of the field name of t.
func (c *comments) ofField(t reflect.Type, name string) (string, error) {
	spec, err := c.spec(t)
	if err != nil {
		return "", err
	}
	s, ok := spec.Type.(*ast.StructType)
	if !ok {
		return "", fmt.Errorf("%s is not declared as a struct", t)
	}
	for _, f := range s.Fields.List {
		for _, n := range f.Names {
			if n.Name == name {
				return sentence(f.Doc.Text()+f.Comment.Text(), name), nil
			}
		}
	}
	return "", fmt.Errorf("%s has no field %s", t, name)
}

// sentence turns a Go comment into a sentence about an option: "Ping is how
// long ..." into "How long ...", "Index shows folders" into "Shows folders".
func sentence(comment, name string) string {
	text := strings.Join(strings.Fields(comment), " ")
	rest, ok := strings.CutPrefix(text, name+" ")
	if !ok {
		return text
	}
	word, tail, _ := strings.Cut(rest, " ")
	switch {
	case word == "is" || word == "are":
		return upperFirst(tail)
	case strings.HasSuffix(word, "s"):
		return upperFirst(rest)
	}
	return text
}

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}
