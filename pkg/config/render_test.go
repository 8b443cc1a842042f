package config_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/config"
)

func TestWriteJSON(t *testing.T) {
	_, src, diags := config.Load("testdata/bad/everything_at_once.hcl", options(nil))
	var b bytes.Buffer
	if err := src.WriteJSON(&b, diags); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b.Bytes()) {
		t.Error("not JSON")
	}
	matches(t, "testdata/everything_at_once.json", b.Bytes())
	b.Reset()
	if err := (&config.Source{}).WriteJSON(&b, nil); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"valid\": true,\n  \"errors\": 0,\n  \"warnings\": 0,\n  \"diagnostics\": []\n}\n"; b.String() != want {
		t.Error(b.String())
	}
}

func TestWriteText(t *testing.T) {
	src := config.SourceOf("x.hcl", []byte("\ta = \"\x1b[31m\"; b\n"+strings.Repeat("y", 500)+"\n"))
	at := func(line, col, from, to int) *hcl.Range {
		return &hcl.Range{Filename: "x.hcl", Start: hcl.Pos{Line: line, Column: col, Byte: from}, End: hcl.Pos{Line: line, Column: col + to - from, Byte: to}}
	}
	diags := hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "Red", Detail: strings.Repeat("word ", 20), Subject: at(1, 6, 5, 12)},
		{Severity: hcl.DiagWarning, Summary: "Long line", Subject: at(2, 301, 317, 318)},
		{Severity: hcl.DiagWarning, Summary: "Past the end", Subject: at(9, 1, 9000, 9001)},
		{Severity: hcl.DiagWarning, Summary: "Nowhere\x1b[0m", Detail: "One.\nTwo."},
	}
	var b bytes.Buffer
	if err := src.WriteText(&b, diags, 40, true); err != nil {
		t.Fatal(err)
	}
	matches(t, "testdata/color.txt", b.Bytes())
}
