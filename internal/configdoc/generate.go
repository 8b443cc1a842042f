package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services"
)

//go:embed head.md
var head string

// generate is the whole document.
func generate(root string) ([]byte, error) {
	d := &doc{root: root, comments: newComments(root), blocks: config.Blocks()}
	d.printf("%s\n`%s`.\n", head, strings.Join(config.Functions(), "`, `"))
	d.printf("\n## Top level\n")
	top := reflect.ValueOf(d.blocks["fileBlock"])
	if err := d.options(top); err != nil {
		return nil, err
	}
	if err := d.nested(top, nil); err != nil {
		return nil, err
	}
	d.printf("\n## Kinds of service\n")
	for _, k := range services.All(services.New()) {
		if err := d.kind(k); err != nil {
			return nil, fmt.Errorf("kind %s: %w", k.Name(), err)
		}
	}
	return d.out.Bytes(), nil
}

type doc struct {
	root     string
	out      bytes.Buffer
	comments *comments
	blocks   map[string]any // defaults of pkg/config, by type name
}

func (d *doc) printf(format string, args ...any) { fmt.Fprintf(&d.out, format, args...) }

func (d *doc) kind(k service.Kind) error {
	spec, _ := k.Decode("x", hcl.EmptyBody(), nil) // what is required is missing; the defaults are there
	v := reflect.ValueOf(spec.Config)
	d.printf("\n### %s\n\n", k.Name())
	d.printf("Takes %s.", abilities(k.Ability()))
	if page := k.Name() + ".md"; exists(filepath.Join(d.root, "docs", page)) {
		d.printf(" More about it: [%s](%s).", page, page)
	}
	text, err := d.comments.ofType(v.Type())
	if err != nil {
		return err
	}
	// The first sentence only says that it is the block of the kind.
	if _, more, ok := strings.Cut(text, ". "); ok {
		d.printf(" %s", markdown(more))
	}
	d.printf("\n")
	if err := d.options(v); err != nil {
		return err
	}
	return d.nested(v, []string{k.Name()})
}

func abilities(a service.Ability) string {
	switch a {
	case service.HTTP:
		return "HTTP requests"
	case service.Raw:
		return "raw connections"
	}
	return "HTTP requests and raw connections"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// options writes the table of the attributes of v, a struct with its defaults.
func (d *doc) options(v reflect.Value) error {
	var rows []string
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, role := tag(f)
		if role != "" && role != "optional" {
			continue
		}
		text, err := d.comments.ofField(v.Type(), f.Name)
		if err != nil {
			return err
		}
		if text == "" {
			return fmt.Errorf("%s.%s has no comment", v.Type(), f.Name)
		}
		def := "required"
		switch {
		case strings.Contains(text, "The default is"):
			def = ""
		case role == "optional":
			def = defaultText(v.Field(i))
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, typeText(name, f.Type), def, markdown(text)))
	}
	if len(rows) > 0 {
		d.printf("\n| option | type | default | |\n|---|---|---|---|\n%s", strings.Join(rows, ""))
	}
	return nil
}

// nested writes a section for each kind of block in v. path are the blocks
// around it.
func (d *doc) nested(v reflect.Value, path []string) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, role := tag(f)
		if role != "block" {
			continue
		}
		if err := d.block(name, f, v.Field(i), path); err != nil {
			return err
		}
	}
	return nil
}

func (d *doc) block(name string, f reflect.StructField, v reflect.Value, path []string) error {
	t := f.Type
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if v.Type() != t {
		v = reflect.Zero(t)
	}
	if def, ok := d.blocks[t.Name()]; ok && reflect.TypeOf(def) == t {
		v = reflect.ValueOf(def)
	}
	text, err := d.comments.ofType(t)
	if err != nil {
		return err
	}
	if text == "" {
		return fmt.Errorf("%s has no comment", t)
	}
	header := name
	for i := range t.NumField() {
		if label, role := tag(t.Field(i)); role == "label" {
			header += fmt.Sprintf(" %q", strings.ToUpper(label))
		}
	}
	d.printf("\n%s `%s`", strings.Repeat("#", min(3+len(path), 5)), header)
	if len(path) > 0 {
		d.printf(" in `%s`", path[len(path)-1])
	}
	d.printf("\n\n%s\n", markdown(text))
	if err := d.options(v); err != nil {
		return err
	}
	return d.nested(v, append(path, name))
}

func tag(f reflect.StructField) (name, role string) {
	t, ok := f.Tag.Lookup("hcl")
	if !ok {
		return "", "none"
	}
	name, role, _ = strings.Cut(t, ",")
	return name, role
}
