package settings

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
)

// A field is a struct field that takes part in decoding.
type field struct {
	index int
	name  string
	role  string // attr, optional, block, label, remain, def_range
	typ   reflect.Type
}

// A shape is a struct type as the decoder sees it. It is never changed.
type shape struct {
	fields []field
	schema *hcl.BodySchema
}

// shapes has those that were seen, by reflect.Type; programs have few. A file with a
// thousand listeners decodes the same types a thousand times.
var shapes sync.Map

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{fields: readFields(t)}
	s.schema = schemaOf(s.fields)
	shapes.Store(t, s)
	return s
}

func fieldsOf(t reflect.Type) []field { return shapeOf(t).fields }

// readFields reads the hcl tags of struct type t. It panics on a tag that it does
// not know: that is a mistake in the program, found by the first test.
func readFields(t reflect.Type) []field {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("settings: %s is not a struct", t))
	}
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, ok := sf.Tag.Lookup("hcl")
		if !ok {
			continue
		}
		name, role, _ := strings.Cut(tag, ",")
		switch role {
		case "", "attr":
			role = "attr"
		case "optional", "block", "label", "remain", "def_range":
		default:
			panic(fmt.Sprintf("settings: %s.%s: unknown tag %q", t, sf.Name, tag))
		}
		fields = append(fields, field{index: i, name: name, role: role, typ: sf.Type})
	}
	return fields
}

// schemaOf is what a body of the given fields may hold. Nothing in it is
// required, because HCL's own message about that says less than ours.
func schemaOf(fields []field) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, f := range fields {
		switch f.role {
		case "attr", "optional":
			s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: f.name})
		case "block":
			s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: f.name, LabelNames: labelsOf(f.typ)})
		}
	}
	return s
}

func labelsOf(t reflect.Type) (labels []string) {
	for _, f := range readFields(structType(t)) {
		if f.role == "label" {
			labels = append(labels, f.name)
		}
	}
	return labels
}

// Secrets are the expressions in body that Decode would decode into a Secret of
// the struct type t, so that source lines can be shown without them.
func Secrets(body hcl.Body, t reflect.Type) (exprs []hcl.Expression) {
	shape := shapeOf(t)
	fields := shape.fields
	content, _, _ := body.PartialContent(shape.schema) // Decode reports what is wrong
	for _, f := range fields {
		if f.role == "block" {
			for _, b := range content.Blocks.OfType(f.name) {
				exprs = append(exprs, Secrets(b.Body, structType(f.typ))...)
			}
		}
		if a := content.Attributes[f.name]; a != nil && structType(f.typ) == reflect.TypeFor[Secret]() {
			exprs = append(exprs, a.Expr)
		}
	}
	return exprs
}

// structType strips slice and pointer from the type of a block field.
func structType(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
