package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porticod/portico/pkg/config"
)

// eval returns what a service gets of an expression.
func eval(t *testing.T, opt config.Options, before, expr string) string {
	t.Helper()
	cfg := load(t, opt, before+"\nservice \"static\" \"x\" {\n  headers = { v = "+expr+" }\n}\n")
	return cfg.Services[0].Config.(webConfig).Headers["v"]
}

func TestVariables(t *testing.T) {
	const decl = `
variable "ip" { default = "127.0.0.1" }
variable "n" { default = 5 }
variable "on" { default = true }
variable "list" { default = ["a"] }
variable "map" { default = { k = "v" } }
variable "must" {}
locals {
  all = "${var.ip} ${var.n + 1} ${var.on ? "on" : "off"} ${join("+", var.list)} ${var.map.k} ${var.must}"
}
`
	opt := options(map[string]string{"PORTICO_VAR_must": "env", "PORTICO_VAR_n": "7", "PORTICO_VAR_list": `["x", "y"]`})
	if got, want := eval(t, opt, decl, "local.all"), "127.0.0.1 8 on x+y v env"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	opt.Vars = map[string]string{"ip": "::1", "n": "1", "on": "false", "map": `{ k = "w" }`, "must": "${not evaluated}"}
	if got, want := eval(t, opt, decl, "local.all"), "::1 2 off x+y w ${not evaluated}"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	opt.Vars = map[string]string{"n": "many", "on": "yes", "list": "x", "map": "[]", "mst": "x", "must": "x"}
	matches(t, "testdata/vars.txt", []byte(strip(mistakes(t, opt, decl))))
}

// strip takes the name of the temporary folder out of a message.
func strip(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if j := strings.Index(line, "/config.hcl:"); j >= 0 && strings.HasPrefix(line, "  /") {
			lines[i] = "  <tmp>" + line[j:]
		}
	}
	return strings.Join(lines, "\n")
}

func TestLocalsInAnyOrder(t *testing.T) {
	const before = `
locals {
  c = "${local.b}c"
  a = upper(var.x)
}
locals { b = "${local.a}b" }
variable "x" { default = "x" }
data_dir = "/data/${local.c}"
`
	if got := eval(t, options(nil), before, `local.c`); got != "Xbc" {
		t.Errorf("%q", got)
	}
	if cfg := load(t, options(nil), before); cfg.DataDir != "/data/Xbc" {
		t.Errorf("data_dir %s", cfg.DataDir)
	}
}

func TestFunctions(t *testing.T) {
	opt := options(map[string]string{"HOME_PORT": "5"})
	for expr, want := range map[string]string{
		`env("HOME_PORT")`:                       "5",
		`env("NOT_SET", "d")`:                    "d",
		`tostring(env("NOT_SET", null) == null)`: "true",
		`upper("a")`:                             "A",
		`join(",", sort(["b", "a"]))`:            "a,b",
		`format("%03d", 7)`:                      "007",
		`length([1, 2])`:                         "2",
		`lookup({ a = "b" }, "a", "")`:           "b",
		`jsonencode({ a = [1] })`:                `{"a":[1]}`,
		`replace("a-b", "-", "+")`:               "a+b",
		`split(",", "a,b")[1]`:                   "b",
		`contains(["a"], "a") ? "y" : "n"`:       "y",
		`[for s in ["a", "b"] : upper(s)][1]`:    "B",
	} {
		if got := eval(t, opt, "", expr); got != want {
			t.Errorf("%s = %q, want %q", expr, got, want)
		}
	}
}

func TestRelativePaths(t *testing.T) {
	dir := write(t,
		"config.hcl\ninclude = [\"conf.d/*.hcl\", \"more.hcl\"]\nlocals {\n  here = file(\"text\")\n}\n",
		"text\nmain",
		"conf.d/text\nincluded",
		"conf.d/b.hcl\nservice \"static\" \"b\" {\n  root = \"site\"\n  headers = { here = local.here, there = local.there }\n}\n",
		"conf.d/a.hcl\nlocals {\n  there = file(\"./text\")\n}\nlistener \"a\" {\n  address = \"unix:a.sock\"\n  service = service.static.b\n}\n",
		"more.hcl\ndrain = \"1s\"\n",
	)
	cfg, src, diags := config.Load(filepath.Join(dir, "config.hcl"), options(nil))
	if len(diags) > 0 {
		t.Fatal(render(t, src, diags))
	}
	web := cfg.Services[0].Config.(webConfig)
	if string(web.Root) != filepath.Join(dir, "conf.d", "site") {
		t.Errorf("root %s", web.Root)
	}
	if diff := cmp.Diff(map[string]string{"here": "main", "there": "included"}, web.Headers); diff != "" {
		t.Error(diff)
	}
	if a := cfg.Listeners[0].Addresses[0]; a.Host != filepath.Join(dir, "conf.d", "a.sock") {
		t.Errorf("address %s", a)
	}
	var files []string
	for _, f := range cfg.Files {
		rel, err := filepath.Rel(dir, f)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, rel)
	}
	if diff := cmp.Diff([]string{"config.hcl", "conf.d/a.hcl", "conf.d/b.hcl", "more.hcl"}, files); diff != "" {
		t.Error(diff)
	}
	if cfg.Drain != time.Second {
		t.Errorf("drain %s", cfg.Drain)
	}
}
