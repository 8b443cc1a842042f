// Package packages looks at what packaging/build makes: what is in the deb and
// the rpm, what Debian's own checks say, and that the same tree gives the same
// bytes. That they install, upgrade and go is tested in test/systemd.
package packages

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/golden"
	"github.com/porticod/portico/pkg/cli"
)

const patience = 5 * time.Minute

// do runs a program, in dir if that is not empty, and returns what it said.
func do(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// built are the files that packaging/build makes of the tree in dir.
func built(t *testing.T, dir string, env ...string) (folder string, names []string) {
	t.Helper()
	folder = t.TempDir()
	do(t, "", append(env, "VERSION=1.0.a", "SOURCE_DATE_EPOCH=1790000000", "ARCH=amd64", "FORMATS=deb rpm tar"),
		filepath.Join(dir, "packaging", "build"), folder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return folder, names
}

const (
	deb     = "portico_1.0.a_amd64.deb"
	rpm     = "portico-1.0.a-1.x86_64.rpm"
	archive = "portico_1.0.a_linux_amd64.tar.gz"
)

func TestPackages(t *testing.T) {
	look(t)
	folder, names := built(t, "../..")
	if want := []string{rpm, deb, archive}; !slices.Equal(names, want) {
		t.Fatalf("packaging/build made %v, want %v", names, want)
	}
	root := t.TempDir()
	do(t, folder, nil, "dpkg-deb", "--extract", deb, root)
	t.Run("contents", func(t *testing.T) { contents(t, folder) })
	t.Run("links", func(t *testing.T) { links(t, filepath.Join(root, "usr/share/doc/portico")) })
	t.Run("manual", func(t *testing.T) { manual(t, root) })
	t.Run("completions", func(t *testing.T) { completions(t, root) })
	t.Run("scripts", func(t *testing.T) { scripts(t, folder) })
	t.Run("lintian", func(t *testing.T) {
		if out := do(t, folder, nil, "lintian", "--allow-root", "--fail-on", "none", "--tag-display-limit", "0", deb); out != "" {
			t.Errorf("mend it, or say in packaging/deb/lintian-overrides why it is right:\n%s", out)
		}
	})
	t.Run("unit", func(t *testing.T) { unit(t, root) })
	t.Run("reproducible", func(t *testing.T) { reproducible(t, folder) })
}

var pages = regexp.MustCompile(`(?m)^.*/man1?/portico-.*\n|^.*/(doc/portico|docs)/(pictures/|plots/)?[a-z0-9-]+\.(md|png|svg)\n`)

// contents compares the lists of files, with modes, with what they were; but for
// the pages of commands and kinds and their pictures, which others look after.
func contents(t *testing.T, folder string) {
	list := "deb\n" + do(t, folder, nil, "sh", "-c", "dpkg-deb --contents "+deb+" | awk '{print $1, $6}' | sort -k 2")
	list += "rpm\n" + do(t, folder, nil, "rpm", "-qp", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES} %{FILEFLAGS:fflags}\n]", rpm)
	list += "archive\n" + do(t, folder, nil, "sh", "-c", "tar tzvf "+archive+" | awk '{print $1, $2, $6}' | sort -k 3")
	list = regexp.MustCompile(` +\n`).ReplaceAllString(list, "\n")
	list = pages.ReplaceAllString(list, "")
	golden.Match(t, "testdata/contents.golden", list)
}

// commands are all commands of the program, by what their completion says.
func commands(t *testing.T, above ...string) (names []string) {
	t.Helper()
	var out bytes.Buffer
	if status := cli.Run(t.Context(), testkit.App(), cli.Streams{In: strings.NewReader(""), Out: &out, Err: io.Discard}, slices.Concat([]string{"__complete"}, above, []string{""})); status != 0 {
		t.Fatalf("completing %v: exit status %d", above, status)
	}
	for line := range strings.Lines(out.String()) {
		name, about, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || about == "" || strings.HasPrefix(name, "-") || name == "help" {
			continue
		}
		path := slices.Concat(above, []string{name})
		names = append(names, strings.Join(path, "-"))
		if len(path) == 1 && slices.Contains([]string{"user"}, name) {
			names = append(names, commands(t, name)...)
		}
	}
	return names
}

// manual finds a page for each command, that man can show.
func manual(t *testing.T, root string) {
	all := commands(t)
	if len(all) < 20 {
		t.Fatalf("only %d commands: %v", len(all), all)
	}
	for _, name := range append(all, "") {
		name = strings.TrimSuffix("portico-"+name, "-")
		f, err := os.Open(filepath.Join(root, "usr/share/man/man1", name+".1.gz"))
		if err != nil {
			t.Error(err)
			continue
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		_ = f.Close()
		if err != nil || !bytes.HasPrefix(text, []byte(`.nh`)) || !bytes.Contains(text, []byte(".TH \""+strings.ToUpper(name)+"\" \"1\"")) {
			t.Errorf("%s is no page: %v, %.60q", name, err, text)
		}
	}
}

// completions has each shell parse its own.
func completions(t *testing.T, root string) {
	for _, c := range [][]string{
		{"bash", "bash-completion/completions/portico"}, {"fish", "fish/vendor_completions.d/portico.fish"}, {"zsh", "zsh/vendor-completions/_portico"},
	} {
		file := filepath.Join(root, "usr/share", c[1])
		if out := do(t, "", nil, c[0], "-n", file); out != "" {
			t.Errorf("%s: %s", c[0], out)
		}
		if b, err := os.ReadFile(file); err != nil || !bytes.Contains(b, []byte("__complete")) {
			t.Errorf("%s asks the program for nothing: %v", file, err)
		}
	}
}

// scripts holds the promise that an upgrade is one try-restart, after validate.
func scripts(t *testing.T, folder string) {
	control := t.TempDir()
	do(t, folder, nil, "dpkg-deb", "--control", deb, control)
	out := do(t, folder, nil, "rpm", "-qp", "--scripts", rpm)
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		path := filepath.Join(control, name)
		do(t, "", nil, "sh", "-n", path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if name == "postinst" {
			upgrade(t, "postinst of the deb", string(b))
		}
		if name != "prerm" && bytes.Contains(b, []byte("systemctl stop")) {
			t.Errorf("%s stops the unit", name)
		}
	}
	post, rest, ok := strings.Cut(out, "preuninstall scriptlet")
	if !ok {
		t.Fatalf("no scripts in the rpm:\n%s", out)
	}
	upgrade(t, "%post of the rpm", post)
	if strings.Count(rest, "disable --now") != 1 || !strings.Contains(rest, `[ "$1" = 0 ]`) {
		t.Errorf("the rpm stops the unit otherwise than at its removal:\n%s", rest)
	}
}

func upgrade(t *testing.T, what, script string) {
	t.Helper()
	validate, restart := strings.Index(script, "portico validate"), strings.Index(script, "systemctl try-restart")
	if validate < 0 || restart < validate || strings.Count(script, "try-restart portico") != 1 {
		t.Errorf("%s does not restart once, after validate:\n%s", what, script)
	}
}

// unit looks at the unit as systemd does.
func unit(t *testing.T, root string) {
	file := filepath.Join(root, "usr/lib/systemd/system/portico.service")
	out := do(t, "", []string{"SYSTEMD_COLORS=0", "SYSTEMD_PAGER=cat"}, "systemd-analyze", "security", "--offline=yes", "--threshold=15", file)
	if !strings.Contains(out, "Overall exposure level for portico.service: 1.5 ") {
		t.Errorf("the exposure changed; docs/operations.md names it:\n%s", out[max(0, len(out)-200):])
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// A comment, perhaps for several, stands before each directive.
	explained := false
	for line := range strings.Lines(string(b)) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "#"):
			explained = true
		case line == "" || line == "[Unit]" || line == "[Service]":
			explained = false
		case !explained && !slices.Contains([]string{"Description", "Documentation", "[Install]", "WantedBy"}, strings.Split(line, "=")[0]):
			t.Errorf("portico.service does not say what %s is for", line)
		}
	}
}

// reproducible builds a copy of the tree elsewhere, made by somebody with other
// habits, and compares.
func reproducible(t *testing.T, folder string) {
	tree := filepath.Join(t.TempDir(), "another", "place")
	if err := os.MkdirAll(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	do(t, "../..", nil, "bash", "-c", `umask 077; git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d "" f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done | tar --create --null --no-recursion --files-from=- | tar --extract --no-same-permissions -C `+tree)
	again, names := built(t, tree, "TZ=Asia/Kolkata", "LC_ALL=C.UTF-8", "GOFLAGS=-buildvcs=false", "GOAMD64=v3")
	for _, name := range names {
		a, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(again, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s is another one when it is built in another folder", name)
		}
	}
}

// look looks at everything that the packages are made of: go test remembers that
// and does not take an old result for one of the present tree.
func look(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"cmd", "pkg", "services", "systemd", "packaging", "internal", "docs", "examples"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) { // somebody may be editing
			t.Fatal(err)
		}
	}
}
