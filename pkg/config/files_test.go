package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/porticod/portico/pkg/config"
)

func TestLastGood(t *testing.T) {
	dir := write(t,
		"config.hcl\ninclude = [\"conf.d/*.hcl\", \"more.hcl\"]\nvariable \"ip\" { default = \"127.0.0.1\" }\n",
		"conf.d/a.hcl\nservice \"static\" \"a\" {\n  root = \"site\"\n  headers = { v = file(\"text\") }\n}\n",
		"conf.d/text\nas it was",
		"more.hcl\nlistener \"a\" {\n  address = \"${var.ip}:80\"\n  service = service.static.a\n}\n",
	)
	file, saved := filepath.Join(dir, "config.hcl"), filepath.Join(dir, "data", "last-good")
	cfg, _, diags := config.Load(file, options(nil))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if err := config.SaveLastGood(cfg, saved); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(saved, "config.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy: %v %v", info, err)
	}
	// Everything goes wrong: files are changed, removed and added.
	for path, text := range map[string]string{"config.hcl": "}}}", "conf.d/a.hcl": "", "conf.d/b.hcl": "new = 1", "conf.d/text": "changed"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "more.hcl")); err != nil {
		t.Fatal(err)
	}
	if _, _, diags := config.Load(file, options(nil)); !diags.HasErrors() {
		t.Error("the broken file loads")
	}
	old, src, diags, err := config.LoadLastGood(saved, options(nil))
	if err != nil || diags.HasErrors() {
		t.Fatalf("%v\n%s", err, render(t, src, diags))
	}
	if diff := cmp.Diff(cfg.Listeners, old.Listeners, compare()); diff != "" {
		t.Errorf("listeners (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(cfg.Services[0].Config, old.Services[0].Config); diff != "" {
		t.Errorf("services (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(cfg.Files, old.Files); diff != "" || old.File != file {
		t.Errorf("files (-want +got)\n%s", diff)
	}
	opt := options(nil)
	opt.Vars = map[string]string{"ip": "::9999999"}
	if _, src, diags, _ := config.LoadLastGood(saved, opt); !strings.Contains(render(t, src, diags), "Invalid address") {
		t.Errorf("variables are not those of now: %s", render(t, src, diags))
	}
	if err := config.SaveLastGood(old, saved); err != nil { // again, over the old one
		t.Error(err)
	}
}

func TestLastGoodBroken(t *testing.T) {
	dir := t.TempDir()
	if _, _, _, err := config.LoadLastGood(dir, options(nil)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a copy: %v", err)
	}
	for _, text := range []string{"", "{", "[]", `{"version":2}`, `{"version":1,"main":5}`} {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := config.LoadLastGood(dir, options(nil)); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("with %q: %v", text, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"version":1,"main":"/etc/gone.hcl"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, diags, err := config.LoadLastGood(dir, options(nil)); err != nil || !diags.HasErrors() {
		t.Errorf("without its main file: %v %v", diags, err)
	}
	cfg := load(t, options(nil), "")
	if err := config.SaveLastGood(cfg, filepath.Join(dir, "config.json", "x")); err == nil {
		t.Error("saved below a file")
	}
}

func TestGuess(t *testing.T) {
	for _, test := range []struct{ name, text, socket, data string }{
		{"empty", ``, "data/admin.sock", "data"},
		{"sound", `admin { socket = "a.sock" }`, "a.sock", "data"},
		{"data_dir", `data_dir = "d"`, "d/admin.sock", "d"},
		{"unknown option", "bogus = 1\nadmin {\n  socket = \"a.sock\"\n  x = 1\n}", "a.sock", "data"},
		{"variable", "variable \"d\" { default = \"run\" }\nlocals { s = \"${var.d}/s.sock\" }\nadmin {\n  socket = local.s\n}\nbogus = 1", "run/s.sock", "data"},
		{"unknown variable", "admin {\n  socket = var.x\n}\ndata_dir = \"d\"", "d/admin.sock", "d"},
		{"broken behind", "data_dir = \"d\"\nadmin {\n  socket = \"a.sock\"\n}\nservice {{{", "a.sock", "d"},
		{"broken before", "service \"x {\nadmin {\n  socket = \"a.sock\"\n}\n", "a.sock", "data"},
		{"broken inside", "admin {\n  address = = \n  socket = \"a.sock\"\n", "a.sock", "data"},
		{"comment", "}\n# socket = \"no.sock\"\n", "data/admin.sock", "data"},
		{"included", "include = \"inc.hcl\"\nbogus = 1\n", "inc.sock", "data"},
		{"binary", "\x00\xff\xfe", "data/admin.sock", "data"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, "config.hcl\n"+test.text, "inc.hcl\nadmin { socket = \"inc.sock\" }")
			file := filepath.Join(dir, "config.hcl")
			if got := config.SocketGuess(file, options(nil)); got != filepath.Join(dir, test.socket) {
				t.Errorf("socket %s", got)
			}
			if got := config.DataDirGuess(file, options(nil)); got != filepath.Join(dir, test.data) {
				t.Errorf("data_dir %s", got)
			}
		})
	}
	if got := config.SocketGuess("/nowhere/config.hcl", options(nil)); got != "/nowhere/data/admin.sock" {
		t.Errorf("without the file: %s", got)
	}
	env := options(map[string]string{"RUNTIME_DIRECTORY": "/run/portico"})
	if got := config.SocketGuess("/nowhere/config.hcl", env); got != "/run/portico/admin.sock" {
		t.Errorf("under systemd: %s", got)
	}
}

func TestNeedsRestart(t *testing.T) {
	a := load(t, options(nil), "data_dir = \"/a\"\n")
	same := load(t, options(nil), "data_dir = \"/a\"\ndrain = \"1s\"\n")
	other := load(t, options(nil), "data_dir = \"/a\"\nadmin {\n  socket = \"/b.sock\"\n}\n")
	both := load(t, options(nil), "data_dir = \"/b\"\n")
	if why := config.NeedsRestart(a, same); why != nil {
		t.Error(why)
	}
	if why := config.NeedsRestart(a, other); len(why) != 1 || why[0] != "admin.socket changed from /a/admin.sock to /b.sock, which needs a restart" {
		t.Error(why)
	}
	if why := config.NeedsRestart(a, both); len(why) != 2 {
		t.Error(why)
	}
}

func TestFormat(t *testing.T) {
	got, diags := config.Format([]byte("a=1\nbcd   =   2\nx   {\ny=1\n}\n"), "x.hcl")
	if want := "a   = 1\nbcd = 2\nx {\n  y = 1\n}\n"; diags.HasErrors() || string(got) != want {
		t.Errorf("%s %v", got, diags)
	}
	if got, diags := config.Format([]byte("a = ["), "x.hcl"); !diags.HasErrors() || got != nil {
		t.Errorf("broken: %q %v", got, diags)
	}
}
