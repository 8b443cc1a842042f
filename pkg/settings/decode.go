package settings

import (
	"fmt"
	"reflect"
	"sort"

	"github.com/hashicorp/hcl/v2"
)

// Decode decodes body into the struct that into points to, which holds the
// defaults. Fields are tagged as for gohcl:
//
//	hcl:"name"            an attribute that must be there
//	hcl:"name,optional"   an attribute; absent or null keeps the default
//	hcl:"name,block"      a struct: a block at most once, decoded over the
//	                      default; *struct: nil without the block, else
//	                      decoded over what the default points to; []struct:
//	                      any number of blocks, each decoded over the zero
//	                      value or what its Defaulter sets
//	hcl:"name,label"      a label of the block, string
//	hcl:",remain"         hcl.Body: whatever the other fields leave
//	hcl:",def_range"      hcl.Range: the header of the block
//
// A list or map in the file replaces the default, nothing is merged. A value
// that is not known is skipped without a message: whoever made it unknown has
// reported why. Nothing reachable from the defaults is changed but *into itself.
//
// Every mistake is reported, in the order of the file. Where a struct decoded
// without one, but for options that it does not know, and its pointer is a
// Validator, it is asked too. Decode panics if into is not a pointer to a struct
// with tags and types that it knows.
func Decode(body hcl.Body, ectx *hcl.EvalContext, into any) hcl.Diagnostics {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic(fmt.Sprintf("settings: %T is not a pointer to a struct", into))
	}
	d := &decoder{ectx: ectx}
	d.body(body, v.Elem(), body.MissingItemRange())
	sort.SliceStable(d.diags, func(i, j int) bool {
		a, b := d.diags[i].Subject, d.diags[j].Subject
		return a != nil && b != nil && a.Start.Byte < b.Start.Byte
	})
	return d.diags
}

type decoder struct {
	ectx   *hcl.EvalContext
	diags  hcl.Diagnostics
	errors int // of diags

	unknown int // of errors, those about options that there are not
}

func (d *decoder) add(diags ...*hcl.Diagnostic) {
	for _, diag := range diags {
		if diag.Severity == hcl.DiagError {
			d.errors++
		}
		d.diags = append(d.diags, diag)
	}
}

func (d *decoder) errorf(at hcl.Range, summary, format string, args ...any) {
	d.add(&hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at,
	})
}

// body decodes b into the struct v. at is shown for what has no place of its own.
func (d *decoder) body(b hcl.Body, v reflect.Value, at hcl.Range) *node {
	before, unknown := d.errors, d.unknown
	shape := shapeOf(v.Type())
	fields, schema := shape.fields, shape.schema
	content, remain, diags := b.PartialContent(schema)
	d.add(diags...)
	blocks := content.Blocks.ByType()
	n := &node{at: at, attrs: map[string]hcl.Range{}, blocks: map[string][]*node{}}
	strange := leftovers(remain, schema)
	for _, f := range fields {
		fv := v.Field(f.index)
		switch f.role {
		case "attr", "optional":
			a := content.Attributes[f.name]
			if a == nil && isAmong(strange, f.name) {
				continue // written as a block, which is said below
			}
			d.attr(a, f, fv, n)
		case "block":
			d.blocks(blocks[f.name], f, fv, n)
		case "remain":
			strange = nil
			fv.Set(reflect.ValueOf(remain))
		}
	}
	d.add(strange...)
	d.unknown += len(strange)
	// What is not known takes nothing away from the rest.
	if d.errors-d.unknown == before-unknown {
		d.validate(v, n)
	}
	return n
}

func (d *decoder) attr(a *hcl.Attribute, f field, v reflect.Value, n *node) {
	if a == nil {
		if f.role == "attr" {
			d.errorf(n.at, fmt.Sprintf("%q is missing", f.name), "It has no default; add a line %s = ...", f.name)
		}
		return
	}
	n.attrs[f.name] = a.Expr.Range()
	switch f.typ {
	case reflect.TypeFor[*hcl.Attribute]():
		v.Set(reflect.ValueOf(a))
		return
	case reflect.TypeFor[hcl.Expression]():
		v.Set(reflect.ValueOf(a.Expr))
		return
	}
	if null := d.expr(f.name, a.Expr, v); null && f.role == "attr" {
		d.errorf(a.Expr.Range(), fmt.Sprintf("%q is null", f.name), "It has no default and needs a value.")
	}
}

func (d *decoder) blocks(blocks hcl.Blocks, f field, v reflect.Value, n *node) {
	if f.typ.Kind() == reflect.Slice {
		list := reflect.MakeSlice(f.typ, len(blocks), len(blocks))
		for i, b := range blocks {
			if x, ok := list.Index(i).Addr().Interface().(Defaulter); ok {
				x.SetDefaults()
			}
			d.block(b, list.Index(i), n)
		}
		if len(blocks) > 0 {
			v.Set(list)
		}
		return
	}
	for i := 1; i < len(blocks); i++ {
		d.errorf(blocks[i].DefRange, fmt.Sprintf("Second %q block", f.name),
			"Only one is allowed here; the first is in line %d. Merge the two.", blocks[0].DefRange.Start.Line)
	}
	switch {
	case len(blocks) > 0:
		d.block(blocks[0], v, n)
	case v.Kind() == reflect.Pointer:
		v.SetZero()
	}
}

// block decodes b into the struct v, or into a new one where v is a pointer.
func (d *decoder) block(b *hcl.Block, v reflect.Value, parent *node) {
	if v.Kind() == reflect.Pointer {
		s := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			s.Elem().Set(v.Elem()) // over a copy: the default may be shared
		}
		v.Set(s)
		v = s.Elem()
	}
	labels := b.Labels
	for _, f := range fieldsOf(v.Type()) {
		switch {
		case f.role == "label" && len(labels) > 0:
			v.Field(f.index).SetString(labels[0])
			labels = labels[1:]
		case f.role == "def_range":
			v.Field(f.index).Set(reflect.ValueOf(b.DefRange))
		}
	}
	parent.blocks[b.Type] = append(parent.blocks[b.Type], d.body(b.Body, v, b.DefRange))
}
