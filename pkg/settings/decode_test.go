package settings_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/porticod/portico/pkg/settings"
)

type all struct {
	Req      string            `hcl:"req,optional"`
	Text     string            `hcl:"text,optional"`
	Flag     bool              `hcl:"flag,optional"`
	Int      int               `hcl:"int,optional"`
	Small    int8              `hcl:"small,optional"`
	Unsigned uint16            `hcl:"unsigned,optional"`
	Float    float64           `hcl:"float,optional"`
	Wait     time.Duration     `hcl:"wait,optional"`
	Size     settings.Size     `hcl:"size,optional"`
	Path     settings.Path     `hcl:"path,optional"`
	Paths    []settings.Path   `hcl:"paths,optional"`
	Secret   settings.Secret   `hcl:"secret,optional"`
	Strings  settings.Strings  `hcl:"strings,optional"`
	List     []string          `hcl:"list,optional"`
	Waits    []time.Duration   `hcl:"waits,optional"`
	Net      netip.Prefix      `hcl:"net,optional"`
	Nets     []netip.Prefix    `hcl:"nets,optional"`
	Map      map[string]string `hcl:"map,optional"`
	Maybe    *int              `hcl:"maybe,optional"`
	MaybeStr *string           `hcl:"maybe_str,optional"`
	MaybeDur *time.Duration    `hcl:"maybe_dur,optional"`
	Nested   nested            `hcl:"nested,block"`
	Pointer  *nested           `hcl:"pointer,block"`
	Many     []labeled         `hcl:"many,block"`
}

type nested struct {
	A int    `hcl:"a,optional"`
	B string `hcl:"b,optional"`
}

type labeled struct {
	Name string `hcl:"name,label"`
	A    int    `hcl:"a,optional"`
}

func parse(t testing.TB, src string) hcl.Body {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(src), "/etc/portico/config.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return f.Body
}

// equal compares prefixes, which have unexported fields, and secrets, which do
// not print what differs.
func equal() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b settings.Secret) bool { return a == b }),
	}
}

func ptr[T any](v T) *T { return &v }

func TestDecodeValues(t *testing.T) {
	for _, test := range []struct {
		src  string
		want all
	}{
		{``, all{}},
		{`text = "x"`, all{Text: "x"}},
		{`text = 5`, all{Text: "5"}},
		{`text = null`, all{}},
		{`flag = true`, all{Flag: true}},
		{`flag = "true"`, all{Flag: true}},
		{`int = -5`, all{Int: -5}},
		{`int = "7"`, all{Int: 7}},
		{`int = 9223372036854775807`, all{Int: 9223372036854775807}},
		{`small = -128`, all{Small: -128}},
		{`unsigned = 65535`, all{Unsigned: 65535}},
		{`float = 0.25`, all{Float: 0.25}},
		{`wait = "2m30s"`, all{Wait: 150 * time.Second}},
		{`wait = 0`, all{}},
		{`size = "20MiB"`, all{Size: 20 << 20}},
		{`size = 512`, all{Size: 512}},
		{`path = "a/../b"`, all{Path: "/etc/portico/b"}},
		{`path = "/x"`, all{Path: "/x"}},
		{`path = "./unix:x"`, all{Path: "/etc/portico/unix:x"}},
		{`path = ""`, all{}},
		{`paths = ["a", "/b"]`, all{Paths: []settings.Path{"/etc/portico/a", "/b"}}},
		{`secret = "x"`, all{Secret: "x"}},
		{`strings = "a"`, all{Strings: settings.Strings{"a"}}},
		{`strings = ["a", "b"]`, all{Strings: settings.Strings{"a", "b"}}},
		{`strings = []`, all{Strings: settings.Strings{}}},
		{`list = ["a", 5]`, all{List: []string{"a", "5"}}},
		{`list = [for x in ["a"]: x]`, all{List: []string{"a"}}},
		{`waits = ["1s", 0]`, all{Waits: []time.Duration{time.Second, 0}}},
		{`net = "10.0.0.0/8"`, all{Net: netip.MustParsePrefix("10.0.0.0/8")}},
		{`net = "10.0.0.1"`, all{Net: netip.MustParsePrefix("10.0.0.1/32")}},
		{`net = "::1"`, all{Net: netip.MustParsePrefix("::1/128")}},
		{`nets = "fd00::/8"`, all{Nets: []netip.Prefix{netip.MustParsePrefix("fd00::/8")}}},
		{`nets = ["::1"]`, all{Nets: []netip.Prefix{netip.MustParsePrefix("::1/128")}}},
		{`map = { a = "b", c = 5 }`, all{Map: map[string]string{"a": "b", "c": "5"}}},
		{`maybe = 5`, all{Maybe: ptr(5)}},
		{`maybe = null`, all{}},
		{`maybe_str = ""`, all{MaybeStr: ptr("")}},
		{`maybe_dur = "1s"`, all{MaybeDur: ptr(time.Second)}},
		{`nested { a = 5 }`, all{Nested: nested{A: 5}}},
		{`pointer {}`, all{Pointer: &nested{}}},
		{"many \"x\" { a = 1 }\nmany \"y\" {}", all{Many: []labeled{{"x", 1}, {"y", 0}}}},
	} {
		var got all
		if diags := settings.Decode(parse(t, test.src), nil, &got); len(diags) > 0 {
			t.Errorf("%s: %v", test.src, diags)
			continue
		}
		if diff := cmp.Diff(test.want, got, equal()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.src, diff)
		}
	}
}

func TestDecodeKeepsDefaults(t *testing.T) {
	template := &nested{A: 1, B: "template"}
	defaults := all{
		Text: "default", Wait: time.Second, Strings: settings.Strings{"a"}, Maybe: ptr(3),
		Nested: nested{A: 1, B: "b"}, Pointer: template, Many: []labeled{{"z", 1}},
	}
	got := defaults
	if diags := settings.Decode(parse(t, `nested { a = 2 }`), nil, &got); len(diags) > 0 {
		t.Fatal(diags)
	}
	want := defaults
	want.Nested = nested{A: 2, B: "b"}
	want.Pointer = nil // no block
	if diff := cmp.Diff(want, got, equal()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	got = defaults
	if diags := settings.Decode(parse(t, `pointer { a = 2 }`), nil, &got); len(diags) > 0 {
		t.Fatal(diags)
	}
	if *got.Pointer != (nested{2, "template"}) {
		t.Errorf("pointer block is %+v, not decoded over its default", *got.Pointer)
	}
	if *template != (nested{1, "template"}) {
		t.Errorf("the default itself changed: %+v", *template)
	}
}

// TestDecodeMistakes checks texts and places: the column of want is where the
// text of at begins in src.
func TestDecodeMistakes(t *testing.T) {
	for _, test := range []struct{ src, at, want string }{
		{`txt = "x"`, `txt`, `Unknown option "txt"; Did you mean "text"?`},
		{`bogus {}`, `bogus`, `Unknown option "bogus"`},
		{`nested = { a = 5 }`, `nested`, `"nested" is a block; Write it without an equals sign: nested { ... }`},
		{`many = {}`, `many`, `many "name" { ... }`},
		{`text {}`, `text`, `"text" is not a block; Give it a value with an equals sign: text = ...`},
		{"nested { a = 1 }\nnested {}", "nested", `Second "nested" block; Only one is allowed here; the first is in line 1.`},
		{`nested { x = 1 }`, `x`, `Unknown option "x"; Options here are a, b.`},
		{`text = ["a"]`, `["a"]`, `Wrong type for "text"; This is a list; needed is a string.`},
		{`text = {}`, `{}`, `This is a map; needed is a string.`},
		{`flag = "yes"`, `"yes"`, `This is a string; needed is true or false.`},
		{`int = "x"`, `"x"`, `This is a string; needed is a whole number.`},
		{`int = 1.5`, `1.5`, `without a fraction`},
		{`int = 9223372036854775808`, `9223372036854775808`, `between -9223372036854775808 and 9223372036854775807`},
		{`int = 1e400`, `1e400`, `must lie between`},
		{`small = 128`, `128`, `between -128 and 127`},
		{`unsigned = -1`, `-1`, `between 0 and 65535`},
		{`unsigned = 65536`, `65536`, `between 0 and 65535`},
		{`float = 1e400`, `1e400`, `too large`},
		{`wait = 5`, `5`, `"5" is not a duration: the unit is missing; write "5s" for seconds.`},
		{`wait = "soon"`, `"soon"`, `write a number and a unit`},
		{`wait = true`, `true`, `"true" is not a duration`},
		{`wait = []`, `[]`, `This is a list; needed is a duration, like "5s".`},
		{`size = "-1"`, `"-1"`, `"-1" is not a size`},
		{`size = "9EiB"`, `"9EiB"`, `not a size`},
		{`path = "unix:/x"`, `"unix:/x"`, `without "unix:"`},
		{`path = "~/x"`, `"~/x"`, `~ is not expanded`},
		{`path = "a\u0000b"`, `"a\u0000b"`, `NUL`},
		{`paths = ["a", "unix:/x"]`, `"unix:/x"`, `is not a path`},
		{`strings = {}`, `{}`, `needed is a string or a list of strings`},
		{`list = "a"`, `"a"`, `needed is a list, in square brackets`},
		{`list = ["a", null]`, `null`, `cannot be null`},
		{`list = concat([], [null])`, `concat([], [null])`, `cannot be null`},
		{`waits = ["1s", "x"]`, `"x"`, `"x" is not a duration`},
		{`net = "10.0.0.1/8"`, `"10.0.0.1/8"`, `Write "10.0.0.0/8"`},
		{`nets = ["::1", "x"]`, `"x"`, `not an address range`},
		{`nets = ["fe80::1%eth0"]`, `"fe80::1%eth0"`, `not an address range`},
		{`map = "a"`, `"a"`, `needed is a map`},
		{`map = { a = [] }`, `{ a = [] }`, `Wrong type for "map.a"`},
		{`map = { a = null }`, `{ a = null }`, `cannot be null`},
		{`maybe = "x"`, `"x"`, `needed is a whole number`},
		{`text = nothing`, `nothing`, `Variables not allowed`},
	} {
		var got all
		diags := settings.Decode(parse(t, test.src), functions(), &got)
		if len(diags) != 1 {
			t.Errorf("%s: %d diagnostics: %v", test.src, len(diags), diags)
			continue
		}
		d := diags[0]
		if text := d.Summary + "; " + d.Detail; !strings.Contains(text, test.want) {
			t.Errorf("%s: %q, want %q", test.src, text, test.want)
		}
		if want := strings.LastIndex(test.src, test.at); d.Subject.Start.Byte != want {
			t.Errorf("%s: at byte %d, want %d", test.src, d.Subject.Start.Byte, want)
		}
	}
}

func TestDecodeReportsAllInOrder(t *testing.T) {
	var got all
	diags := settings.Decode(parse(t, "zzz = 1\nint = \"x\"\nnested {\n  a = \"y\"\n}\naaa = 1\n"), nil, &got)
	var lines []int
	for _, d := range diags {
		lines = append(lines, d.Subject.Start.Line)
	}
	if diff := cmp.Diff([]int{1, 2, 4, 6}, lines); diff != "" {
		t.Errorf("lines (-want +got)\n%s", diff)
	}
}

func TestDecodeRequired(t *testing.T) {
	type cfg struct {
		Name string `hcl:"name"`
	}
	for src, want := range map[string]string{``: `"name" is missing`, `name = null`: `"name" is null`, `name {}`: `"name" is not a block`} {
		diags := settings.Decode(parse(t, src), nil, new(cfg))
		if !diags.HasErrors() || diags[0].Summary != want {
			t.Errorf("%q: %v, want %q", src, diags, want)
		}
	}
}

func TestDecodeSkipsUnknownValues(t *testing.T) {
	ectx := &hcl.EvalContext{Variables: map[string]cty.Value{"v": cty.DynamicVal}}
	got := all{Text: "default"}
	if diags := settings.Decode(parse(t, "text = \"${v}x\"\nlist = [v]\nint = v"), ectx, &got); len(diags) > 0 {
		t.Error(diags)
	}
	if got.Text != "default" {
		t.Errorf("text is %q", got.Text)
	}
}

func TestDecodeMarkedValuesAreNotShown(t *testing.T) {
	secret := cty.StringVal("hunter2").Mark("secret")
	ectx := &hcl.EvalContext{Variables: map[string]cty.Value{"s": secret}}
	var got all
	if diags := settings.Decode(parse(t, `secret = s`), ectx, &got); len(diags) > 0 || got.Secret.Reveal() != "hunter2" {
		t.Errorf("secret is %q: %v", got.Secret.Reveal(), diags)
	}
	diags := settings.Decode(parse(t, "wait = s\nsize = s\npath = \"unix:${s}\"\nnet = s\nint = s\nlist = s\nmap = { a = [s] }"), ectx, &got)
	if len(diags) != 7 {
		t.Errorf("%d diagnostics: %v", len(diags), diags)
	}
	for _, d := range diags {
		if strings.Contains(d.Detail+d.Summary, "hunter2") {
			t.Errorf("the secret is in %q", d.Detail)
		}
	}
}

type keeper struct{ kept []string }

func (k *keeper) Keep(s string) { k.kept = append(k.kept, s) }

func TestKeeperIsToldWhatCameOfItsValues(t *testing.T) {
	k := &keeper{}
	ectx := functions()
	ectx.Variables = map[string]cty.Value{"s": cty.StringVal("hunter2").Mark(k)}
	var got all
	if diags := settings.Decode(parse(t, "text = \"x-${s}\"\nlist = concat([s], [\"a\"])\nint = 5"), ectx, &got); len(diags) > 0 {
		t.Fatal(diags)
	}
	if diff := cmp.Diff([]string{"x-hunter2", "hunter2", "a"}, k.kept); diff != "" {
		t.Errorf("kept (-want +got)\n%s", diff)
	}
}

func TestDecodePassThrough(t *testing.T) {
	type cfg struct {
		Attr *hcl.Attribute `hcl:"attr,optional"`
		Expr hcl.Expression `hcl:"expr,optional"`
		Text settings.Texts `hcl:"text,optional"`
		At   hcl.Range      `hcl:",def_range"`
		Rest hcl.Body       `hcl:",remain"`
	}
	type outer struct {
		B []cfg `hcl:"b,block"`
	}
	var got outer
	diags := settings.Decode(parse(t, "b {\n  attr = a.b\n  expr = c\n  text = [\"x\", \"y\"]\n  more = 1\n  block {}\n}\nb {}\n"), nil, &got)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	b := got.B[0]
	if b.Attr == nil || b.Attr.Name != "attr" || b.Expr == nil || b.At.Start.Line != 1 || got.B[1].Attr != nil {
		t.Errorf("passed through: %+v", b)
	}
	if diff := cmp.Diff([]string{"x", "y"}, b.Text.Values()); diff != "" || b.Text[1].At.Start.Column != 16 {
		t.Errorf("text %+v", b.Text)
	}
	var rest struct {
		More  int      `hcl:"more"`
		Block struct{} `hcl:"block,block"`
	}
	if diags := settings.Decode(b.Rest, nil, &rest); len(diags) > 0 || rest.More != 1 {
		t.Errorf("rest %+v: %v", rest, diags)
	}
	if diags := settings.Decode(b.Rest, nil, new(struct{})); len(diags) != 2 {
		t.Errorf("leftovers of the rest: %v", diags)
	}
}

type validated struct {
	A      int             `hcl:"a,optional"`
	Nested validatedNested `hcl:"nested,block"`
	List   []nested        `hcl:"list,block"`
	fail   error
}

type validatedNested struct {
	X int `hcl:"x,optional"`
}

func (v *validated) Validate() error { return v.fail }
func (v *validatedNested) Validate() error {
	if v.X < 0 {
		return &settings.Error{Attr: "x", Summary: "x is negative", Detail: "Remove the minus."}
	}
	return nil
}

func TestValidate(t *testing.T) {
	const src = "a = 1\nnested {\n  x = 2\n}\nlist {\n  a = 3\n}\nlist {\n  a = 4\n}\n"
	at := func(attr string) error { return &settings.Error{Attr: attr, Summary: attr, Detail: "."} }
	for _, test := range []struct {
		fail  error
		lines []int
	}{
		{nil, nil},
		{at("a"), []int{1}},
		{at("nested.x"), []int{3}},
		{at("nested.absent"), []int{2}},
		{at("absent"), []int{1}},
		{at("list.1.a"), []int{9}},
		{at("list.a"), []int{6}},
		{at("list.7.a"), []int{5}},
		{errors.New("as a whole"), []int{1}},
		{fmt.Errorf("wrapped: %w", at("nested.x")), []int{3}},
		{errors.Join(at("list.1.a"), errors.Join(at("a"), nil)), []int{1, 9}},
	} {
		got := validated{fail: test.fail}
		diags := settings.Decode(parse(t, src), nil, &got)
		var lines []int
		for _, d := range diags {
			lines = append(lines, d.Subject.Start.Line)
		}
		if diff := cmp.Diff(test.lines, lines); diff != "" {
			t.Errorf("%v: lines (-want +got)\n%s", test.fail, diff)
		}
	}
}

func TestValidateOnlyAfterCleanDecode(t *testing.T) {
	got := validated{fail: errors.New("must not be asked")}
	for _, src := range []string{`a = "x"`, `nested { x = -1 }`} {
		if diags := settings.Decode(parse(t, src), nil, &got); len(diags) != 1 {
			t.Errorf("%s: %v", src, diags)
		}
	}
}

// An option that is not known hides no other mistake of its block.
func TestUnknownHidesNothing(t *testing.T) {
	got := validated{fail: errors.New("is asked")}
	for _, src := range []string{`unknown = 1`, "nested {\n  unknown = 1\n}", "unknown {}"} {
		if diags := settings.Decode(parse(t, src), nil, &got); len(diags) != 2 || !strings.Contains(diags.Error()+diags[1].Error(), "is asked") {
			t.Errorf("%s: %v", src, diags)
		}
	}
}

func TestDecodePanicsOnProgrammingMistakes(t *testing.T) {
	for name, into := range map[string]any{
		"no pointer": all{},
		"nil":        (*all)(nil),
		"unknown tag": new(struct {
			A int `hcl:"a,bogus"`
		}),
		"no struct": new(struct {
			A int `hcl:"a,block"`
		}),
		"type": new(struct {
			A chan int `hcl:"a,optional"`
		}),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			settings.Decode(parse(t, `a = 1`), nil, into)
		})
	}
}

func TestSecrets(t *testing.T) {
	type cfg struct {
		Key    settings.Secret   `hcl:"key,optional"`
		Keys   []settings.Secret `hcl:"keys,optional"`
		Name   string            `hcl:"name,optional"`
		Nested *struct {
			Key settings.Secret `hcl:"key"`
		} `hcl:"nested,block"`
	}
	body := parse(t, "key = \"a\"\nkeys = [\"b\"]\nname = \"c\"\nnested {\n  key = \"d\"\n}\nbogus = 1\n")
	var lines []int
	for _, e := range settings.Secrets(body, reflect.TypeFor[cfg]()) {
		lines = append(lines, e.Range().Start.Line)
	}
	if diff := cmp.Diff([]int{1, 2, 5}, lines); diff != "" {
		t.Errorf("lines (-want +got)\n%s", diff)
	}
}
