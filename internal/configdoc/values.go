package main

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/settings"
)

var quoted = regexp.MustCompile(`"[^" ]+"`)

// markdown sets the quoted values of a comment as code, and keeps the rest from
// being taken for markup.
func markdown(text string) string {
	text = strings.NewReplacer("<", "&lt;", "|", `\|`).Replace(text)
	return quoted.ReplaceAllString(text, "`$0`")
}

// typeText names the type of an option for people.
func typeText(name string, t reflect.Type) string {
	switch t {
	case reflect.TypeFor[*hcl.Attribute]():
		if name == "service" {
			return "service"
		}
		return "any value"
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[settings.Size]():
		return "size"
	case reflect.TypeFor[settings.Path]():
		return "path"
	case reflect.TypeFor[settings.Secret]():
		return "text, secret"
	case reflect.TypeFor[settings.Strings](), reflect.TypeFor[settings.Texts]():
		return "text or list"
	case reflect.TypeFor[settings.Text]():
		return "text"
	case reflect.TypeFor[netip.Prefix]():
		return "address range"
	case reflect.TypeFor[[]netip.Prefix]():
		return "address ranges"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeText(name, t.Elem())
	case reflect.Slice:
		return "list: " + typeText(name, t.Elem())
	case reflect.Map:
		return "map: " + typeText(name, t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.String:
		return "text"
	}
	return "whole number"
}

// defaultText writes a default as the file would; empty for none.
func defaultText(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case settings.Text:
		return quote(x.Value)
	case time.Duration:
		return quote(shortDuration(x))
	case settings.Size:
		if x == 0 {
			return "`0`"
		}
		return quote(x.String())
	}
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[settings.Secret]() {
			return ""
		}
		return quote(v.String())
	case reflect.Pointer, reflect.Map:
		return ""
	case reflect.Slice:
		return list(v)
	}
	return fmt.Sprintf("`%v`", v.Interface())
}

func list(v reflect.Value) string {
	var elems []string
	for i := range v.Len() {
		elems = append(elems, strings.Trim(defaultText(v.Index(i)), "`"))
	}
	if len(elems) == 0 {
		return ""
	}
	return "`[" + strings.Join(elems, ", ") + "]`"
}

func quote(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("`%q`", s)
}

// shortDuration drops the zero parts at the end: "2m0s" is "2m".
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
