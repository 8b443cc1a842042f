package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a command's description sets apart by its indentation stands in the manual
// page line for line, and is not made prose of.
func TestManLists(t *testing.T) {
	dir := t.TempDir()
	if status, _, stderr := portico("", "man", dir); status != 0 {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	lists := 0
	for _, page := range pages {
		roff, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Split(strings.TrimSuffix(filepath.Base(page), ".1"), "-")[1:]
		_, help, _ := portico("", append(words, "--help")...)
		description, _, ok := strings.Cut(help, "\nUsage:")
		if !ok {
			t.Fatalf("%v: no usage in %s", words, help)
		}
		verbatim := apart(string(roff))
		for p := range strings.SplitSeq(description, "\n\n") {
			list := strings.HasPrefix(p, "  ")
			if !list && strings.Contains(strings.TrimSpace(p), "  ") {
				t.Errorf("%v: a list without an empty line before it:\n%s", words, p)
			}
			for line := range strings.Lines(p) {
				if list && !strings.Contains(verbatim, "\n"+strings.TrimSpace(line)+"\n") && !strings.Contains(verbatim, " "+strings.TrimSpace(line)+"\n") {
					t.Errorf("%v: the page does not have this line:\n%s\n%s", words, line, verbatim)
				}
			}
			if list {
				lists++
			}
		}
	}
	if lists < 2 {
		t.Errorf("only %d lists were looked at", lists)
	}
}

// Values of flags that are one of a few are completed, not with files.
func TestCompletionOfFlags(t *testing.T) {
	scene(t, "config.hcl", hello)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"top", "--page", ""}, "overview\nroutes\nservices\nconnections\n:4\n"},
		{[]string{"sockets", "--sort", ""}, "age\nin\nlistener\nout\npeer\nservice\nstate\n:4\n"},
	} {
		if status, stdout, _ := portico("", append([]string{"__complete"}, c.args...)...); status != 0 || stdout != c.want {
			t.Errorf("%v: exit status %d, %q", c.args, status, stdout)
		}
	}
	_, stdout, _ := portico("", "__complete", "top", "--page", "routes", "--sort", "")
	if !strings.Contains(stdout, "\nREQ/S\n") || !strings.HasSuffix(stdout, ":4\n") {
		t.Errorf("columns: %q", stdout)
	}
}

// apart is what a page sets as it is.
func apart(roff string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(roff, "\n.EX") {
		if text, _, ok := strings.Cut(part, "\n.EE"); ok {
			b.WriteString(text + "\n")
		}
	}
	return strings.NewReplacer(`\e`, `\`, `\&`, "", `\-`, "-").Replace(b.String())
}
