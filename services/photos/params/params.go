// Package params reads what a request says, whichever way it says it: the
// query, JSON, urlencoded or multipart, with x[], x[0] and a[b] in names. It
// does not know which parameters a call has and checks no values.
package params

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The bounds of a request. What goes beyond them is an error, never cut off.
const (
	MaxText   = 1 << 20 // bytes of a body without its files
	MaxValues = 1000    // scalars, list entries and files of a request
	MaxDepth  = 8       // of a[b][c] or of nested JSON
	maxName   = 256     // bytes of a parameter's name
)

// Values are the parameters of a request. The zero Values has none.
type Values struct {
	root  node
	count int
}

// A node is a scalar, a list or an object; absent where it is none of them.
type node struct {
	scalar bool
	text   string
	list   []*node
	fields map[string]*node
}

// Has reports whether the parameter was given, be it empty. A JSON null is as
// good as absent.
func (v *Values) Has(path ...string) bool { return v.at(path) != nil }

// String is the parameter's text, or "" where it was not given.
func (v *Values) String(path ...string) string {
	if n := v.at(path); n != nil && n.scalar {
		return n.text
	}
	return ""
}

// Bool reads the parameter as Mastodon does: 0, f, false and off are false in
// any case, everything else is true. Absent or empty is def.
func (v *Values) Bool(def bool, path ...string) bool {
	s := v.String(path...)
	if s == "" {
		return def
	}
	switch strings.ToLower(s) {
	case "0", "f", "false", "off":
		return false
	}
	return true
}

// Int reads a whole number; ok is false where there is none or it is not one.
func (v *Values) Int(path ...string) (n int64, ok bool) {
	n, err := strconv.ParseInt(v.String(path...), 10, 64)
	return n, err == nil
}

// Strings is a list of scalars: x[]=1&x[]=2, x[1]=..&x[0]=.. in the order of
// their numbers, a JSON list, or one scalar alone.
func (v *Values) Strings(path ...string) []string {
	n := v.at(path)
	if n == nil {
		return nil
	}
	if n.scalar {
		return []string{n.text}
	}
	var out []string
	for _, e := range n.entries() {
		if e.scalar {
			out = append(out, e.text)
		}
	}
	return out
}

// Entries are the objects of a list, or of an object in the order of its keys:
// by number where they are numbers, else by name.
func (v *Values) Entries(path ...string) []*Values {
	n := v.at(path)
	if n == nil || n.scalar {
		return nil
	}
	var out []*Values
	for _, e := range n.values() {
		if e.fields != nil {
			out = append(out, &Values{root: *e})
		}
	}
	return out
}

// values are the entries of a list, or everything that an object has.
func (n *node) values() []*node {
	keys := slices.SortedFunc(maps.Keys(n.fields), func(a, b string) int {
		x, errX := strconv.Atoi(a)
		y, errY := strconv.Atoi(b)
		if errX == nil && errY == nil {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(a, b)
	})
	var out []*node
	for _, k := range keys {
		out = append(out, n.fields[k])
	}
	return append(out, n.list...)
}

// entries are the elements of a list, or of an object whose keys are numbers.
func (n *node) entries() []*node {
	if n.fields == nil {
		return n.list
	}
	var keys []int
	for k := range n.fields {
		if i, err := strconv.Atoi(k); err == nil && i >= 0 && strconv.Itoa(i) == k {
			keys = append(keys, i)
		}
	}
	slices.Sort(keys)
	out := make([]*node, 0, len(keys)+len(n.list))
	for _, k := range keys {
		out = append(out, n.fields[strconv.Itoa(k)])
	}
	return append(out, n.list...)
}

func (v *Values) at(path []string) *node {
	n := &v.root
	for _, name := range path {
		if n = n.fields[name]; n == nil {
			return nil
		}
	}
	return n
}

// Names are the names of the parameters at the top, in order.
func (v *Values) Names() []string { return slices.Sorted(maps.Keys(v.root.fields)) }

// add stores one scalar under a name like a, a[], a[0] or a[b][c]. Of repeated
// scalars the first wins; a name that contradicts an earlier one (a and a[b])
// is ignored for the same reason.
func (v *Values) add(name, text string) error {
	segs, err := split(name)
	if err != nil {
		return err
	}
	if v.count++; v.count > MaxValues {
		return errCount
	}
	n := &v.root
	for i, seg := range segs {
		if n.scalar {
			return nil
		}
		if n = n.child(seg, segs[i+1:]); n == nil {
			return nil
		}
	}
	if !n.scalar && n.list == nil && n.fields == nil {
		n.scalar, n.text = true, strings.ToValidUTF8(text, "\uFFFD")
	}
	return nil
}

// child finds or makes the node that seg names below n. "" is a list entry:
// a new one, unless the last entry is an object that still lacks the next
// segment (a[][x]=1&a[][y]=2 is one entry).
func (n *node) child(seg string, rest []string) *node {
	if seg != "" {
		if n.fields == nil {
			n.fields = make(map[string]*node)
		}
		c := n.fields[seg]
		if c == nil {
			c = &node{}
			n.fields[seg] = c
		}
		return c
	}
	if len(rest) > 0 && len(n.list) > 0 {
		last := n.list[len(n.list)-1]
		if last.fields != nil && last.fields[rest[0]] == nil {
			return last
		}
	}
	c := &node{}
	n.list = append(n.list, c)
	return c
}

// split cuts a[b][] into a, b and "".
func split(name string) ([]string, error) {
	if len(name) > maxName {
		return nil, malformed("a parameter's name is longer than %d bytes", maxName)
	}
	head, rest, found := strings.Cut(name, "[")
	segs := []string{head}
	if !found || head == "" || !strings.HasSuffix(rest, "]") {
		return []string{name}, nil // not the bracket notation: a plain name
	}
	for seg := range strings.SplitSeq(strings.TrimSuffix(rest, "]"), "][") {
		segs = append(segs, seg)
	}
	if len(segs) > MaxDepth {
		return nil, malformed("parameters are nested deeper than %d", MaxDepth)
	}
	return segs, nil
}
