package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/pkg/cli"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services"
)

// everyKind are the names of all kinds.
func everyKind() (names []string) {
	for _, k := range services.All(services.New()) {
		names = append(names, k.Name())
	}
	return names
}

// What init says and writes; the file is good, and in the usual layout.
func TestInit(t *testing.T) {
	all := strings.Join(everyKind(), ",")
	for _, c := range []struct {
		name string
		args []string
	}{
		{"init", nil},
		{"init-one", []string{"--services", "echo", "small.hcl"}},
		{"init-all", []string{"--services", all}},
		{"init-domain", []string{"--services", all, "--domain", "Example.org.", "--email", "ops@example.org"}},
		{"init-domain-one", []string{"--services", "chat", "--domain", "chat.example.org", "-o", "small.hcl"}},
		{"init-domain-raw", []string{"--services", "tcp", "--domain", "example.org"}},
		{"init-command", []string{"--services", "process", "--command", "sh -c ${x}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := scene(t)
			file := "config.hcl"
			if slices.Contains(c.args, "small.hcl") {
				file = "small.hcl"
			}
			got := transcript(dir, "", append([]string{"init"}, c.args...)...) +
				transcript(dir, "", "validate", file) + transcript(dir, "", "fmt", "--check", file)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			matches(t, c.name, got+"--- "+file+"\n"+string(text))
		})
	}
}

// Every set of kinds makes a file without a mistake, and without a warning. Those
// that init treats alike come and go together.
func TestInitEverySet(t *testing.T) {
	scene(t)
	groups := []string{"chat", "photos", "images,process", "static", "proxy,respond,echo", "redirect", "tcp"}
	if named, all := slices.Sorted(slices.Values(strings.Split(strings.Join(groups, ","), ","))), slices.Sorted(slices.Values(everyKind())); !slices.Equal(named, all) {
		t.Fatalf("the kinds are %v, here are %v", all, named)
	}
	for set := 1; set < 1<<len(groups); set++ {
		var names []string
		for i, group := range groups {
			if set&(1<<i) != 0 {
				names = append(names, strings.Split(group, ",")...)
			}
		}
		for _, domain := range []string{"", "example.org"} {
			args := []string{"init", "--services", strings.Join(names, ","), "--domain", domain}
			if status, _, stderr := portico("", args...); status != 0 {
				t.Fatalf("%v: exit status %d: %s", args, status, stderr)
			}
			count := len(names)
			if domain != "" && !slices.Equal(names, []string{"tcp"}) {
				count++ // the one that leads to HTTPS
			}
			if status, stdout, stderr := portico("", "validate"); status != 0 || stderr != "" || !strings.Contains(stdout, fmt.Sprintf(" %d service", count)) {
				t.Fatalf("%v: exit status %d: %s%s", args, status, stdout, stderr)
			}
			if err := os.Remove("config.hcl"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Nothing that is there is touched, --force replaces the config file only.
func TestInitKeeps(t *testing.T) {
	scene(t, "config.hcl", "mine\n", "site/own.html", "own\n")
	if status, _, _ := portico("", "init", "--services", "static"); status != 1 {
		t.Errorf("exit status %d", status)
	}
	if b, _ := os.ReadFile("config.hcl"); string(b) != "mine\n" {
		t.Errorf("the file was replaced: %s", b)
	}
	if status, _, stderr := portico("", "init", "--services", "static", "--force"); status != 0 {
		t.Error(stderr)
	}
	if fi, err := os.Stat("config.hcl"); err != nil || fi.Mode().Perm() != 0o600 || fi.Size() < 100 {
		t.Errorf("%v, %v", fi, err)
	}
	if names, _ := filepath.Glob("site/*"); !slices.Equal(names, []string{"site/own.html"}) {
		t.Errorf("a folder with files in it got more: %v", names)
	}
	status, stdout, _ := portico("", "init", "--services", "static", "-")
	if b, _ := os.ReadFile("config.hcl"); status != 0 || stdout == "" || !strings.HasSuffix(string(b), stdout[len(stdout)-100:]) {
		t.Errorf("exit status %d: %s", status, stdout)
	}
}

// A strict umask of root does not keep the service out of what init made for it.
func TestInitUmask(t *testing.T) {
	scene(t)
	old := syscall.Umask(0o077)
	status, _, stderr := portico("", "init", "--services", "static")
	syscall.Umask(old)
	if status != 0 {
		t.Fatal(stderr)
	}
	for path, want := range map[string]os.FileMode{"config.hcl": 0o644, "site": 0o755, "site/index.html": 0o644} {
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, fi.Mode().Perm(), err, want)
		}
	}
}

// A greeter is a kind of somebody else's.
type greeter struct{}

func (greeter) Kind() string                                 { return "greet" }
func (greeter) Default() struct{}                            { return struct{}{} }
func (greeter) ServeHTTP(http.ResponseWriter, *http.Request) {}
func (g greeter) Close() error                               { return nil }
func (g greeter) Open(context.Context, service.Env, struct{}) (greeter, error) {
	return g, nil
}

// A kind that init has never heard of gets a block without options.
func TestInitOwnKind(t *testing.T) {
	scene(t)
	app := testkit.App(service.KindOf(greeter{}))
	for _, args := range [][]string{
		{"init", "--services", "greet,echo"}, {"validate"},
		{"init", "--services", "echo,greet", "--domain", "example.org", "--force"}, {"validate"},
	} {
		var out bytes.Buffer
		if status := cli.Run(t.Context(), app, cli.Streams{Out: &out, Err: &out}, args); status != 0 {
			t.Errorf("%v: exit status %d: %s", args, status, out.String())
		}
	}
	if b, _ := os.ReadFile("config.hcl"); !strings.Contains(string(b), "service \"greet\" \"greet\" {}") {
		t.Errorf("%s", b)
	}
}

// What cannot be asked for, and what to do about it.
func TestInitMistakes(t *testing.T) {
	dir := scene(t, "config.hcl", hello)
	var b strings.Builder
	for _, args := range [][]string{
		{"config.hcl"}, {"a.hcl", "-o", "b.hcl"}, {"-o", "none/a.hcl"},
		{"--services", "chat,imges"}, {"--services", "chat,chat"}, {"--services", ""},
		{"--email", "ops@example.org"}, {"--domain", "https://example.org"}, {"--domain", "example"}, {"--domain", "example.org:443"},
		{"--domain", "example.org", "--email", "ops"}, {"--domain", "example.org", "--email", "\"${x}\"@example.org"},
		{"--command", "node server.js"},
	} {
		b.WriteString(transcript(dir, "", append([]string{"init"}, args...)...))
	}
	t.Setenv("PATH", "/nowhere")
	b.WriteString(transcript(dir, "", "init", "--services", "process", "other.hcl"))
	matches(t, "mistake-init", b.String())
	if names, _ := filepath.Glob("*"); !slices.Equal(names, []string{"config.hcl"}) {
		t.Errorf("init refused, and wrote %v", names)
	}
}
