package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/golden"
	"github.com/porticod/portico/pkg/cli"
	"github.com/porticod/portico/services"
)

// packaged is where a package's config file would be, if this machine had one: it
// may have portico installed, and that must not matter.
const packaged = "/nonexistent/portico/config.hcl"

// portico runs one command line and returns all that it said.
func portico(stdin string, args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	// A command that should fail and runs a daemon instead ends all the same.
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	app := testkit.App()
	app.Packaged = packaged
	status = cli.Run(ctx, app, cli.Streams{In: strings.NewReader(stdin), Out: &out, Err: &err}, args)
	return status, out.String(), err.String()
}

// matches compares got with testdata/NAME.golden.
func matches(t *testing.T, name, got string) {
	t.Helper()
	golden.Match(t, filepath.Join(home, "testdata", name+".golden"), got)
}

// home is the folder of the package; tests work in others.
var home = func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir
}()

// scene makes a folder with files, name and content in turn, goes there, and
// sees to it that nothing outside is found.
func scene(t *testing.T, files ...string) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "portico") // t.TempDir() can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for i := 0; i+1 < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, v := range []string{"PORTICO_CONFIG", "PORTICO_ADMIN", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "NOTIFY_SOCKET"} {
		t.Setenv(v, "")
	}
	return dir
}

// varying is what differs from run to run.
var varying = regexp.MustCompile(`has \d+ bytes`)

// transcript is a command line with what came of it, fit for a golden file.
func transcript(dir, stdin string, args ...string) string {
	status, stdout, stderr := portico(stdin, args...)
	var b strings.Builder
	fmt.Fprintf(&b, "$ portico %s\n", strings.Join(args, " "))
	b.WriteString(stdout)
	if stderr != "" {
		fmt.Fprintf(&b, "--- stderr\n%s", stderr)
	}
	fmt.Fprintf(&b, "--- exit status %d\n", status)
	s := strings.NewReplacer(dir, "DIR", packaged, "/etc/portico/config.hcl").Replace(b.String())
	return varying.ReplaceAllString(s, "has N bytes")
}

// What each command says about itself.
func TestHelp(t *testing.T) {
	dir := scene(t)
	commands := [][]string{
		{}, {"run"}, {"validate"}, {"fmt"}, {"check"}, {"reload"}, {"status"}, {"sockets"}, {"top"}, {"services"}, {"init"},
		{"version"}, {"completion"}, {"man"}, {"sign"}, {"demo"}, {"user"}, {"user", "add"}, {"user", "list"}, {"user", "passwd"},
		{"user", "delete"}, {"user", "erasures"}, {"user", "invite"}, {"user", "role"}, {"user", "suspend"}, {"user", "sessions"},
	}
	for _, c := range commands {
		name := strings.Join(append([]string{"help"}, c...), "-")
		matches(t, name, transcript(dir, "", append(c, "--help")...))
	}
}

const twoMistakes = `
service "echo" "e" { no_such_option = 1 }
listener "web" {
  address = "127.0.0.1:99999"
  service = service.echo.f
}
`

// What is said to those who made a mistake: place, cause, remedy.
func TestMistakes(t *testing.T) {
	const (
		good = "service \"echo\" \"e\" {}\nlistener \"web\" {\n  address = \"127.0.0.1:0\"\n  service = service.echo.e\n}\n"
		data = "data/VERSION"
	)
	for _, c := range []struct {
		name  string
		files []string
		stdin string
		args  []string
	}{
		{"unknown-command", nil, "", []string{"rnu"}},
		{"unknown-flag", nil, "", []string{"run", "--fast"}},
		{"unknown-user-command", nil, "", []string{"user", "remove", "ann"}},
		{"too-many-arguments", nil, "", []string{"status", "web"}},
		{"one-argument-too-many", nil, "", []string{"user", "add", "ann", "bob"}},
		{"missing-argument", nil, "", []string{"user", "role", "ann"}},
		{"missing-arguments", nil, "", []string{"sign"}},
		{"mistyped-flag", nil, "", []string{"validate", "--vra", "a=1"}},
		{"unknown-short-flag", nil, "", []string{"status", "-x"}},
		{"flag-without-value", nil, "", []string{"run", "--config"}},
		{"flag-no-duration", nil, "", []string{"check", "--timeout", "3"}},
		{"flag-no-number", nil, "", []string{"user", "invite", "--uses", "many"}},
		{"flag-no-truth", nil, "", []string{"status", "--json=maybe"}},
		{"flags-exclude", nil, "", []string{"fmt", "--check", "-w"}},
		{"no-config", nil, "", []string{"run"}},
		{"no-such-config", nil, "", []string{"run", "other.hcl"}},
		{"bad-var", []string{"config.hcl", good}, "", []string{"validate", "--var", "ip"}},
		{"unknown-var", []string{"config.hcl", good}, "", []string{"validate", "--var", "ip=1"}},
		{"validate-mistakes", []string{"config.hcl", twoMistakes}, "", []string{"validate"}},
		{"run-mistakes", []string{"config.hcl", twoMistakes}, "", []string{"run"}},
		{"check-mistakes", []string{"config.hcl", twoMistakes}, "", []string{"check"}},
		{"check-unknown-listener", []string{"config.hcl", good}, "", []string{"check", "wbe"}},
		{"check-no-daemon", []string{"config.hcl", good}, "", []string{"check", "web"}},
		{"status-no-daemon", []string{"config.hcl", good}, "", []string{"status"}},
		{"reload-no-daemon", []string{"config.hcl", "broken {"}, "", []string{"reload"}},
		{"reload-file", []string{"config.hcl", good}, "", []string{"reload", "config.hcl"}},
		{"sockets-named-socket", nil, "", []string{"sockets", "--admin", "no.sock"}},
		{"services-unknown", nil, "", []string{"services", "ecoh"}},
		{"newer-data", []string{"config.hcl", good, data, "999\n"}, "", []string{"run"}},
		{"garbled-data", []string{"config.hcl", good, data, "x\n"}, "", []string{"run"}},
		{"data-dir-is-a-file", []string{"config.hcl", good, "data", "x\n"}, "", []string{"run"}},
		{"socket-is-a-file", []string{"config.hcl", "admin { socket = \"a.sock\" }\n" + good, "a.sock", "x"}, "", []string{"run"}},
		{"long-socket", []string{"config.hcl", "admin { socket = \"" + strings.Repeat("x", 120) + "\" }\n" + good}, "", []string{"run"}},
		{"user-short-password", []string{"config.hcl", good}, "short\n", []string{"user", "add", "ann"}},
		{"user-no-password", []string{"config.hcl", good}, "", []string{"user", "add", "ann"}},
		{"user-bad-name", []string{"config.hcl", good}, "a-password\n", []string{"user", "add", "Ann!"}},
		{"user-unknown", []string{"config.hcl", good}, "", []string{"user", "suspend", "nobody"}},
		{"user-delete-unasked", []string{"config.hcl", good}, "", []string{"user", "delete", "ann"}},
		{"user-bad-role", []string{"config.hcl", good}, "", []string{"user", "role", "ann", "boss"}},
		{"fmt-broken", nil, "a = [", []string{"fmt", "-"}},
		{"fmt-missing", nil, "", []string{"fmt", "none.hcl"}},
		{"completion-unknown", nil, "", []string{"completion", "tcsh"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := scene(t, c.files...)
			matches(t, "mistake-"+c.name, transcript(dir, c.stdin, c.args...))
		})
	}
}

// A second daemon on one data folder is refused, with the one who has it.
func TestSecondDaemon(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	scene(t)
	got := transcript(d.Dir, "", "run", d.File())
	matches(t, "mistake-second-daemon", got)
	if s := d.Status(); !s.Ready {
		t.Errorf("the first one suffered: %+v", s)
	}
}

// A port in use names listener, address and holder.
func TestPortInUse(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	dir := scene(t, "config.hcl", strings.Replace(hello, "127.0.0.1:0", d.Addr("web"), 1))
	status, _, stderr := portico("", "run")
	got := strings.ReplaceAll(strings.ReplaceAll(stderr, dir, "DIR"), d.Addr("web"), "ADDR")
	if status != 1 || !strings.Contains(got, `listener "web"`) || !strings.Contains(got, "ADDR") || !strings.Contains(got, "in use by") {
		t.Errorf("exit status %d: %s", status, got)
	}
}

// Every kind is listed, and each shows its options.
func TestServices(t *testing.T) {
	scene(t)
	_, list, _ := portico("", "services")
	for _, k := range services.All(services.New()) {
		if !strings.Contains(list, "\n"+k.Name()+" ") {
			t.Errorf("%s is not in the list:\n%s", k.Name(), list)
		}
		status, stdout, _ := portico("", "services", k.Name())
		if status != 0 || !strings.HasPrefix(stdout, "service \""+k.Name()+"\" \"NAME\" {\n") {
			t.Errorf("services %s: exit status %d\n%s", k.Name(), status, stdout)
		}
	}
	_, stdout, _ := portico("", "services", "redirect")
	for _, row := range []string{`to +string +required`, `status +number +308`} {
		if !regexp.MustCompile(`(?m)^ +` + row + `$`).MatchString(stdout) {
			t.Errorf("no row %s in\n%s", row, stdout)
		}
	}
}

const crooked = `service "echo" "e" {}
listener "web" {
address = "127.0.0.1:0"
    service=service.echo.e
}
`

func TestFmt(t *testing.T) {
	dir := scene(t, "config.hcl", crooked)
	matches(t, "fmt", transcript(dir, "", "fmt")+
		transcript(dir, "", "fmt", "--check")+
		transcript(dir, "", "fmt", "--diff", "config.hcl")+
		transcript(dir, "a=1\n", "fmt", "-")+
		transcript(dir, "", "fmt", "-w")+
		transcript(dir, "", "fmt", "--check", "--diff"))
	if b, _ := os.ReadFile("config.hcl"); !strings.Contains(string(b), "  address = ") {
		t.Errorf("not written:\n%s", b)
	}
	if fi, err := os.Stat("config.hcl"); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("fmt -w changed the mode: %v, %v", fi.Mode(), err)
	}
}

func TestMan(t *testing.T) {
	dir := scene(t)
	if status, stdout, _ := portico("", "man"); status != 0 || !strings.Contains(stdout, ".TH \"PORTICO\" \"1\"") {
		t.Errorf("exit status %d: %.200s", status, stdout)
	}
	if status, _, stderr := portico("", "man", "pages"); status != 0 {
		t.Fatal(stderr)
	}
	pages, _ := filepath.Glob(filepath.Join(dir, "pages", "portico*.1"))
	if len(pages) < 20 {
		t.Errorf("%d pages: %v", len(pages), pages)
	}
}

func TestCompletion(t *testing.T) {
	dir := scene(t, "config.hcl", hello)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if status, stdout, _ := portico("", "completion", shell); status != 0 || !strings.Contains(stdout, "portico") {
			t.Errorf("%s: exit status %d", shell, status)
		}
	}
	matches(t, "complete-listeners", transcript(dir, "", "__complete", "check", ""))
	if _, stdout, _ := portico("", "__complete", "services", ""); !strings.HasPrefix(stdout, "chat\n") {
		t.Errorf("kinds are not completed: %s", stdout)
	}
}

func TestVersion(t *testing.T) {
	status, stdout, _ := portico("", "version")
	if status != 0 || !regexp.MustCompile(`^portico \S+.* go1\.\S+ \w+/\w+\n$`).MatchString(stdout) {
		t.Errorf("exit status %d: %s", status, stdout)
	}
}

// Accounts are the same through the daemon and without it.
func TestUser(t *testing.T) {
	d := testkit.Start(t, testkit.App(), hello)
	scene(t)
	steps := func() string {
		var b strings.Builder
		for _, s := range [][]string{
			{"a-password", "user", "add", "ann", "--name", "Ann A"},
			{"a-password", "user", "add", "ann"},
			{"", "user", "role", "ann", "admin"},
			{"", "user", "suspend", "ann"},
			{"", "user", "suspend", "ann", "--undo"},
			{"", "user", "erasures"},
			{"other-password", "user", "passwd", "ann"},
			{"", "user", "sessions", "ann"},
			{"", "user", "sessions", "ann", "--end", "all"},
			{"", "user", "list"},
			{"", "user", "delete", "ann", "--yes"},
			{"", "user", "list", "--json"},
		} {
			b.WriteString(transcript(d.Dir, s[0]+"\n", append([]string{"--config", d.File()}, s[1:]...)...))
		}
		return regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`).ReplaceAllString(b.String(), "2026-11-23 10:00:00")
	}
	matches(t, "user", steps())
	if status, stdout, _ := portico("", "--config", d.File(), "user", "invite", "--uses", "3"); status != 0 || len(strings.TrimSpace(stdout)) < 10 {
		t.Errorf("invite: exit status %d: %s", status, stdout)
	}
	d.Stop()
	// A username is never given again; so the folder starts anew.
	if err := os.RemoveAll(filepath.Join(d.Dir, "data")); err != nil {
		t.Fatal(err)
	}
	matches(t, "user", steps())
}
