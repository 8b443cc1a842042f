package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestFresh fails when docs/licences.md is not what is linked, and when a licence
// is not allowed.
func TestFresh(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	want, err := licencesPage(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "docs", "licences.md"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/licences.md is stale; run: make generate\n%s", diff)
	}
}

func TestRecognise(t *testing.T) {
	const (
		mit  = "Permission is hereby granted, free of charge, to any person obtaining a copy\nof this software and associated documentation files ... this permission notice shall be included"
		bsd2 = "Redistribution and use in source and binary forms, with or without\n// modification, are permitted provided"
	)
	for text, want := range map[string]string{
		mit:                                 "MIT",
		bsd2:                                "BSD-2-Clause",
		bsd2 + "\n * Neither the name of X": "BSD-3-Clause",
		"Apache License\n   Version 2.0, January 2004":      "Apache-2.0",
		"Mozilla Public License, version 2.0":               "MPL-2.0",
		mit + bsd2:                                          "BSD-2-Clause MIT",
		"All rights reserved.":                              "",
		"GNU GENERAL PUBLIC LICENSE\nVersion 3":             "refused: gnu general public license",
		mit + "\n\"Commons Clause\" License Condition v1.0": "MIT refused: commons clause",
		bsd2 + " Neither the name; All advertising materials mentioning features must": "refused: all advertising materials mentioning",
	} {
		ids, bad := recognise(text)
		slices.Sort(ids)
		got := strings.Join(ids, " ")
		if bad != "" {
			got = strings.TrimSpace(got + " refused: " + bad)
		}
		if got != want {
			t.Errorf("%.60q is %q, want %q", text, got, want)
		}
	}
}

// What cannot be shipped is named, with what to do.
func TestJudge(t *testing.T) {
	for want, files := range map[string][]licenceFile{
		"has no licence": {{"NOTICE", "by X"}},
		"is not known":   {{"LICENSE", "Do what you like on Fridays."}},
		"is not allowed": {{"sub/COPYING", "GNU Affero General Public License"}},
	} {
		m := module{Path: "example.org/m", Version: "v1.0.0", Files: files}
		if err := m.judge(); err == nil || !strings.Contains(err.Error(), "example.org/m v1.0.0") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", files, err, want)
		}
	}
}

// The bill of materials of a program fits CycloneDX's schema, has what the program
// itself says that it is made of, and is the same each time.
func TestSBOM(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "portico")
	// With the flags of packaging/build, so that one serves the other.
	build := exec.CommandContext(t.Context(), "go", "build", "-tags=nodynamic", "-trimpath", "-o", program, "./cmd/portico")
	build.Dir, build.Env = root, append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1790000000")
	var first, second bytes.Buffer
	if err := errors.Join(run(t.Context(), []string{"sbom", "1.2+3", program}, &first), run(t.Context(), []string{"sbom", "1.2+3", program}, &second)); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Error("it differs from time to time")
	}
	doc, err := jsonschema.UnmarshalJSON(&first)
	if err != nil {
		t.Fatal(err)
	}
	fits := schema(t, root)
	if err := fits.Validate(doc); err != nil {
		t.Errorf("%#v", err)
	}
	doc.(map[string]any)["components"] = "none"
	if err := fits.Validate(doc); err == nil {
		t.Error("the schema takes anything")
	}
	var b bom
	if err := json.Unmarshal(second.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if got := b.Metadata.Component.PURL; got != "pkg:golang/github.com/porticod/portico@1.2%2B3" {
		t.Errorf("the program is %s", got)
	}
	if b.Metadata.Timestamp != "2026-09-21T14:13:20Z" {
		t.Errorf("its time is %s", b.Metadata.Timestamp)
	}
	out, err := exec.CommandContext(t.Context(), "go", "version", "-m", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Count(string(out), "\tdep\t")
	if len(b.Components) != deps+1 || len(b.Dependencies) != deps+2 { // and Go itself
		t.Errorf("%d components, %d with dependencies; the program has %d modules", len(b.Components), len(b.Dependencies), deps)
	}
	if err := run(t.Context(), []string{"sbom", "1", "/bin/true"}, &first); err == nil {
		t.Error("a program of others has a bill of materials")
	}
}

// schema is CycloneDX's, from the module that internal/tools pins.
func schema(t *testing.T, root string) *jsonschema.Schema {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/CycloneDX/cyclonedx-go")
	cmd.Dir = filepath.Join(root, "internal", "tools")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	var mod struct{ Dir string }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	const at = "http://cyclonedx.org/schema/"
	for name, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		f, err := os.Open(filepath.Join(mod.Dir, "schema", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		if err := errors.Join(err, f.Close(), c.AddResource(at+name, doc)); err != nil {
			t.Fatal(err)
		}
	}
	c.AssertFormat()
	s, err := c.Compile(at + "bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
