package cli

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

func newServices(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "services [KIND]",
		Short: "List the kinds of service, or the options of one",
		Example: `  portico services
  portico services chat`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return e.Kinds.Names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return e.printKinds()
			}
			k, ok := e.Kinds[args[0]]
			if !ok {
				return usage("there is no kind %q. %s", args[0], settings.DidYouMean(args[0], "There are", e.Kinds.Names()))
			}
			return printKind(e.Out, k)
		},
	}
}

func (e *env) printKinds() error {
	t := newTable(e.Out, "KIND", "SPEAKS", "WHEN ITS OPTIONS CHANGE")
	for _, name := range e.Kinds.Names() {
		k := e.Kinds[name]
		change := "is replaced, the old one drains"
		if k.UpdatesInPlace() {
			change = "goes on, with its connections"
		}
		t.row(name, k.Ability().String(), change)
	}
	return failed(t.end())
}

// printKind shows a kind's options as its config type has them.
func printKind(out io.Writer, k service.Kind) error {
	fmt.Fprintf(out, "service %q \"NAME\" {\n", k.Name())
	spec, _ := k.Decode("name", hcl.EmptyBody(), nil) // what is missing is not the question
	t := newTable(out, "", "OPTION", "TYPE", "DEFAULT")
	options(t, "", reflect.ValueOf(spec.Config))
	if err := t.end(); err != nil {
		return failed(err)
	}
	fmt.Fprintf(out, "}\n\ndocs/config.md says what each is for.\n")
	return nil
}

// options adds a row for each field of v that has an hcl tag.
func options(t table, prefix string, v reflect.Value) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v = reflect.Zero(v.Type().Elem())
			continue
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, mode, _ := strings.Cut(f.Tag.Get("hcl"), ",")
		switch {
		case name == "" || mode == "label":
		case mode == "block":
			t.row(" ", prefix+name+" {}", "block", " ")
			options(t, prefix+name+".", element(v.Field(i)))
		case mode == "optional":
			t.row(" ", prefix+name, typeName(f.Type), valueText(v.Field(i)))
		default:
			t.row(" ", prefix+name, typeName(f.Type), "required")
		}
	}
}

// element is one of the blocks that a field stands for.
func element(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Slice {
		return reflect.Zero(v.Type().Elem())
	}
	return v
}

// typeName is what people write for a value of type t.
func typeName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return `duration, like "5s"`
	case reflect.TypeFor[settings.Size]():
		return `size, like "20MiB"`
	case reflect.TypeFor[settings.Path]():
		return "path"
	case reflect.TypeFor[settings.Secret]():
		return "secret string"
	case reflect.TypeFor[settings.Strings]():
		return "string or list of strings"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "string"
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "map of " + typeName(t.Elem())
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64, reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "number"
	}
	return "string" // types with a text form, such as addresses
}

// valueText is a default as it would be written; empty where there is none.
func valueText(v reflect.Value) string {
	if v.IsZero() {
		switch v.Kind() {
		case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
			return fmt.Sprint(v.Interface())
		}
		return ""
	}
	switch x := v.Interface().(type) {
	case settings.Size:
		return fmt.Sprintf("%q", x.String())
	case time.Duration:
		return fmt.Sprintf("%q", durationText(x))
	}
	switch v.Kind() {
	case reflect.String:
		return fmt.Sprintf("%q", v.Interface())
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, valueText(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

func durationText(d time.Duration) string {
	s := d.String()
	s = strings.TrimSuffix(s, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(s, "m0s")]
	return strings.TrimSuffix(s, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(s, "h0m")]
}
