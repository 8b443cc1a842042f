package hostcheck_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/hostcheck"
)

// fakeSystemd puts a systemctl first on PATH that says lines of portico.service.
func fakeSystemd(t *testing.T, lines ...string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\ncat <<'END'\nLoadState=loaded\n" + strings.Join(lines, "\n") + "\nEND\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// What the unit's files of variables set counts over Environment=, later ones over
// earlier ones.
func TestEnvironmentFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a": `# a comment
; and another one = one
plain=some words  
empty=
 spaced = x 
quoted="a \"b\" \x $c"
single='a\b "c"'
pieces=a'b c'"d"\ 
joined=one\
two
lines="one
two"
no assignment
over=a
file=a
`,
		"z.env": "file=z\r\nlast=no line break",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fakeSystemd(t, "Environment=over=unit only=unit",
		fmt.Sprintf("EnvironmentFiles=%s (ignore_errors=no)", filepath.Join(dir, "a")),
		fmt.Sprintf("EnvironmentFiles=%s (ignore_errors=yes)", filepath.Join(dir, "*.env")),
		fmt.Sprintf("EnvironmentFiles=%s (ignore_errors=yes)", filepath.Join(dir, "none")))
	u := hostcheck.FindUnit(t.Context())
	if u == nil {
		t.Fatal("no unit")
	}
	get := u.Getenv(func(string) string { return "mine" })
	for name, want := range map[string]string{
		"plain": "some words", "empty": "", "spaced": "x", "quoted": `a "b" \x $c`, "single": `a\b "c"`, "pieces": "ab cd ", "joined": "onetwo",
		"lines": "one\ntwo", "over": "a", "only": "unit", "file": "z", "last": "no line break", "no assignment": "mine", "other": "mine",
	} {
		if got := get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A file of root's eyes, or a folder in its place, is passed over.
func TestEnvironmentFileThatCannotBeRead(t *testing.T) {
	fakeSystemd(t, "Environment=a=b", fmt.Sprintf("EnvironmentFiles=%s (ignore_errors=no)", t.TempDir()))
	if got := hostcheck.FindUnit(t.Context()).Getenv(os.Getenv)("a"); got != "b" {
		t.Errorf("a is %q", got)
	}
}

// Any value comes back when it is written in double quotes, whatever is around it.
func FuzzEnvironmentFile(f *testing.F) {
	for _, s := range []string{"", "a", "a b ", "\\", "\"", "'", "a\nb=c", "`$x", "#", "=", "\\\n"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, value, noise string) {
		hostcheck.ParseEnv(noise, map[string]string{})
		value = strings.ReplaceAll(value, "\r\n", "\n")
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)
		got := map[string]string{}
		hostcheck.ParseEnv("# x\nname=\""+quoted+"\"\nnext='y'\n", got)
		if len(got) != 2 || got["name"] != value || got["next"] != "y" {
			t.Errorf("%q became %q", value, got)
		}
	})
}
