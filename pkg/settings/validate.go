package settings

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// A node remembers where the parts of a decoded struct stand in the file.
type node struct {
	at     hcl.Range // of the block's header
	attrs  map[string]hcl.Range
	blocks map[string][]*node
}

// find returns the range of the attribute or block at the dotted path, as deep
// as the file has it. A number picks among blocks of one type, from 0.
func (n *node) find(path string) hcl.Range {
	name, rest, _ := strings.Cut(path, ".")
	if at, ok := n.attrs[name]; ok {
		return at
	}
	list := n.blocks[name]
	if len(list) == 0 {
		return n.at
	}
	index, tail, _ := strings.Cut(rest, ".")
	if i, err := strconv.Atoi(index); err == nil && i >= 0 && i < len(list) {
		return list[i].find(tail)
	}
	return list[0].find(rest)
}

func (d *decoder) validate(v reflect.Value, n *node) {
	if val, ok := v.Addr().Interface().(Validator); ok {
		d.addError(val.Validate(), n)
	}
}

func (d *decoder) addError(err error, n *node) {
	if err == nil {
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			d.addError(e, n)
		}
		return
	}
	var e *Error
	if errors.As(err, &e) {
		at, severity := n.find(e.Attr), hcl.DiagError
		if e.Warning {
			severity = hcl.DiagWarning
		}
		d.add(&hcl.Diagnostic{Severity: severity, Summary: e.Summary, Detail: e.Detail, Subject: &at})
		return
	}
	d.errorf(n.at, "Invalid block", "%s", err)
}
