package settings

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// expr decodes e, the value of the attribute name, into v. null reports that
// the value is null and v was left alone.
func (d *decoder) expr(name string, e hcl.Expression, v reflect.Value) (null bool) {
	if v.Kind() == reflect.Slice {
		// Elements of a literal list are decoded one by one, so that each
		// mistake is shown at its element.
		if elems, diags := hcl.ExprList(e); !diags.HasErrors() {
			list := reflect.MakeSlice(v.Type(), len(elems), len(elems))
			for i, elem := range elems {
				if d.expr(name, elem, list.Index(i)) {
					d.errorf(elem.Range(), invalid(name), "An element of a list cannot be null.")
				}
			}
			v.Set(list)
			return false
		}
	}
	val, diags := e.Value(d.ectx)
	d.add(diags...)
	if diags.HasErrors() {
		return false
	}
	in := input{name: name, at: e.Range(), secret: val.ContainsMarked()}
	val, marks := val.UnmarkDeep()
	keep(marks, val)
	if !val.IsWhollyKnown() {
		return false
	}
	if val.IsNull() {
		return true
	}
	d.value(in, val, v)
	return false
}

// A Keeper is a mark of values that must not be shown. It is told every string
// that came of such values, so that its owner can keep them out of messages that
// are made later.
type Keeper interface{ Keep(s string) }

func keep(marks cty.ValueMarks, val cty.Value) {
	for mark := range marks {
		k, ok := mark.(Keeper)
		if !ok {
			continue
		}
		// The callback fails never, and so does Walk.
		_ = cty.Walk(val, func(_ cty.Path, v cty.Value) (bool, error) {
			if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
				k.Keep(v.AsString())
			}
			return true, nil
		})
	}
}

// An input is where a value comes from, for messages.
type input struct {
	name   string
	at     hcl.Range
	secret bool // the value must not be shown
}

func invalid(name string) string { return fmt.Sprintf("Invalid value for %q", name) }

func (d *decoder) invalid(in input, format string, args ...any) {
	d.errorf(in.at, invalid(in.name), format, args...)
}

// wrongType says what is needed instead of the kind of value that val is.
func (d *decoder) wrongType(in input, val cty.Value, need string) {
	d.errorf(in.at, fmt.Sprintf("Wrong type for %q", in.name), "This is %s; needed is %s.", describe(val), need)
}

func describe(val cty.Value) string {
	switch t := val.Type(); {
	case val.IsNull():
		return "null"
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsTupleType() || t.IsListType() || t.IsSetType():
		return "a list"
	}
	return "a map"
}

// value decodes val, which is neither unknown, null nor marked, into v.
func (d *decoder) value(in input, val cty.Value, v reflect.Value) {
	if val.IsNull() { // an element: at the top, expr took care
		d.invalid(in, "An element cannot be null.")
		return
	}
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		d.duration(in, val, p)
	case *Size:
		d.size(in, val, p)
	case *Path:
		d.path(in, val, p)
	case *netip.Prefix:
		d.prefix(in, val, p)
	case *Text:
		p.Value, _ = d.str(in, val, "a string")
		p.At = in.at
	default:
		d.plain(in, val, v)
	}
}

// plain decodes the types that have no form of their own.
func (d *decoder) plain(in input, val cty.Value, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if s, ok := d.str(in, val, "a string"); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		b, err := convert.Convert(val, cty.Bool)
		if err != nil {
			d.wrongType(in, val, "true or false")
			return
		}
		v.SetBool(b.True())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.integer(in, val, v)
	case reflect.Float32, reflect.Float64:
		if n, ok := d.number(in, val, "a number"); ok {
			f, _ := n.Float64()
			if math.IsInf(f, 0) || v.OverflowFloat(f) {
				d.invalid(in, "The number is too large.")
				return
			}
			v.SetFloat(f)
		}
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(in, val, p.Elem())
		v.Set(p)
	case reflect.Slice:
		d.list(in, val, v)
	case reflect.Map:
		d.dict(in, val, v)
	default:
		panic(fmt.Sprintf("settings: option %q has type %s, which cannot be decoded", in.name, v.Type()))
	}
}

// str takes strings, and numbers and booleans as they are written.
func (d *decoder) str(in input, val cty.Value, need string) (string, bool) {
	s, err := convert.Convert(val, cty.String)
	if err != nil {
		d.wrongType(in, val, need)
		return "", false
	}
	return s.AsString(), true
}

func (d *decoder) number(in input, val cty.Value, need string) (*big.Float, bool) {
	n, err := convert.Convert(val, cty.Number)
	if err != nil {
		d.wrongType(in, val, need)
		return nil, false
	}
	return n.AsBigFloat(), true
}

func (d *decoder) integer(in input, val cty.Value, v reflect.Value) {
	n, ok := d.number(in, val, "a whole number")
	if !ok {
		return
	}
	if !n.IsInt() {
		d.invalid(in, "A whole number is needed, without a fraction.")
		return
	}
	bits := v.Type().Bits()
	if v.CanInt() {
		i, acc := n.Int64()
		if acc != big.Exact || v.OverflowInt(i) {
			d.invalid(in, "The number must lie between %d and %d.", int64(-1)<<(bits-1), int64(1)<<(bits-1)-1)
			return
		}
		v.SetInt(i)
		return
	}
	u, acc := n.Uint64()
	if acc != big.Exact || v.OverflowUint(u) {
		d.invalid(in, "The number must lie between 0 and %d.", uint64(math.MaxUint64)>>(64-bits))
		return
	}
	v.SetUint(u)
}

func (d *decoder) duration(in input, val cty.Value, p *time.Duration) {
	s, ok := d.str(in, val, `a duration, like "5s"`)
	if !ok {
		return
	}
	dur, err := Duration(s)
	if err != nil {
		d.invalid(in, "%s is not a duration: %s.", in.show(s), err)
		return
	}
	*p = dur
}

func (d *decoder) size(in input, val cty.Value, p *Size) {
	s, ok := d.str(in, val, `a size, like "20MiB"`)
	if !ok {
		return
	}
	size, err := ParseSize(s)
	if err != nil {
		d.invalid(in, "%s is not a size: %s.", in.show(s), err)
		return
	}
	*p = size
}

// show quotes a value for a message, unless it is secret.
func (in input) show(s string) string {
	if in.secret {
		return "The value"
	}
	return fmt.Sprintf("%q", s)
}

var scheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]+:`)

func (d *decoder) path(in input, val cty.Value, p *Path) {
	s, ok := d.str(in, val, "a path")
	if !ok {
		return
	}
	switch {
	case strings.ContainsRune(s, 0):
		d.invalid(in, "A path cannot contain a NUL byte.")
	case scheme.MatchString(s):
		d.invalid(in, "%s is not a path. Write the file or folder alone, without %q.", in.show(s), scheme.FindString(s))
	case s == "~" || strings.HasPrefix(s, "~/"):
		d.invalid(in, "~ is not expanded here, because the daemon runs as another user. Write the whole path.")
	case s == "":
		*p = ""
	default:
		*p = Path(Resolve(in.at.Filename, s))
	}
}

// Resolve returns path as seen from the folder of file: absolute where the
// working directory can be told, and clean.
func Resolve(file, path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(file), path)
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

func (d *decoder) prefix(in input, val cty.Value, p *netip.Prefix) {
	s, ok := d.str(in, val, `an address range, like "10.0.0.0/8"`)
	if !ok {
		return
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		*p = netip.PrefixFrom(addr, addr.BitLen())
		return
	}
	prefix, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		d.invalid(in, `%s is not an address range. Write an IP address, or a range like "10.0.0.0/8" or "fd00::/8".`, in.show(s))
	case prefix != prefix.Masked():
		d.invalid(in, "%s has bits set behind the first %d. Write %q for the range, or the address alone.",
			in.show(s), prefix.Bits(), prefix.Masked())
	default:
		*p = prefix
	}
}

func (d *decoder) list(in input, val cty.Value, v reflect.Value) {
	t := val.Type()
	single := mayBeSingle(v.Type())
	switch {
	case t.IsTupleType() || t.IsListType() || t.IsSetType():
	case single && t.IsPrimitiveType():
		val = cty.TupleVal([]cty.Value{val})
	case single:
		d.wrongType(in, val, "a string or a list of strings")
		return
	default:
		d.wrongType(in, val, "a list, in square brackets")
		return
	}
	list := reflect.MakeSlice(v.Type(), 0, val.LengthInt())
	for _, elem := range val.Elements() {
		ev := reflect.New(v.Type().Elem()).Elem()
		d.value(in, elem, ev)
		list = reflect.Append(list, ev)
	}
	v.Set(list)
}

// mayBeSingle reports whether a list of type t with one element may be written
// without its brackets.
func mayBeSingle(t reflect.Type) bool {
	return t == reflect.TypeFor[Strings]() || t == reflect.TypeFor[Texts]() || t == reflect.TypeFor[[]netip.Prefix]()
}

func (d *decoder) dict(in input, val cty.Value, v reflect.Value) {
	if t := val.Type(); !t.IsObjectType() && !t.IsMapType() {
		d.wrongType(in, val, `a map, like { name = "value" }`)
		return
	}
	elems := val.AsValueMap()
	keys := make([]string, 0, len(elems))
	for k := range elems {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	m := reflect.MakeMapWithSize(v.Type(), len(keys))
	for _, k := range keys {
		ev := reflect.New(v.Type().Elem()).Elem()
		d.value(input{in.name + "." + k, in.at, in.secret}, elems[k], ev)
		m.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), ev)
	}
	v.Set(m)
}
