package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/services"
)

// TestFresh fails when docs/config.md is not what the code says.
func TestFresh(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	want, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "docs", "config.md"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/config.md is stale; run: go run ./internal/configdoc\n%s", diff)
	}
}

// TestExamples loads every HCL example of the document.
func TestExamples(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```hcl\n(.*?)```").FindAllSubmatch(doc, -1)
	if len(examples) == 0 {
		t.Error("no examples")
	}
	for _, example := range examples {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "www"), 0o700); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "config.hcl")
		if err := os.WriteFile(file, example[1], 0o600); err != nil {
			t.Fatal(err)
		}
		kinds := service.NewRegistry(services.All(services.New())...)
		if _, src, diags := config.Load(file, config.Options{Kinds: kinds}); len(diags) > 0 {
			_ = src.WriteText(os.Stderr, diags, 0, false)
			t.Errorf("an example has mistakes:\n%s", example[1])
		}
	}
}

func TestSentence(t *testing.T) {
	for comment, want := range map[string]string{
		"Ping is how long\na silence lasts.": "How long a silence lasts.",
		"Ping are the pings.":                "The pings.",
		"Ping shows folders.":                "Shows folders.",
		"Ping of the answer.":                "Ping of the answer.",
		"Pinging.":                           "Pinging.",
		"Where to listen.":                   "Where to listen.",
		"":                                   "",
	} {
		if got := sentence(comment, "Ping"); got != want {
			t.Errorf("%q: %q, want %q", comment, got, want)
		}
	}
}

func TestDefaultText(t *testing.T) {
	for _, test := range []struct {
		v    any
		want string
	}{
		{2 * time.Minute, "`\"2m\"`"}, {time.Hour, "`\"1h\"`"}, {90 * time.Second, "`\"1m30s\"`"}, {time.Duration(0), "`\"0s\"`"},
		{settings.Size(0), "`0`"}, {settings.Size(1 << 20), "`\"1MiB\"`"}, {settings.Secret("x"), ""}, {settings.Text{Value: "x"}, "`\"x\"`"},
		{"", ""}, {"x", "`\"x\"`"}, {true, "`true`"}, {5, "`5`"}, {0.5, "`0.5`"}, {[]int{1, 2}, "`[1, 2]`"},
		{settings.Strings{"a"}, "`[\"a\"]`"}, {settings.Strings{}, ""}, {map[string]string{}, ""}, {(*int)(nil), ""},
	} {
		if got := defaultText(reflect.ValueOf(test.v)); got != test.want {
			t.Errorf("%#v: %s, want %s", test.v, got, test.want)
		}
	}
}
