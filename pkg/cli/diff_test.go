package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/cli"
)

// Whatever the texts are: the lines that stay and go are a, those that stay and
// come are b.
func FuzzDiff(f *testing.F) {
	f.Add("a\nb\nc", "a\nx\nc")
	f.Add("", "a")
	f.Add("a\na\nb\na", "a\nb\na\na")
	f.Add("1\n2\n3\n4\n5\n6\n7\n8\n9", "1\n2\n3\n4\n5\n6\n7\n8\n10\n11")
	f.Fuzz(func(t *testing.T, a, b string) {
		la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
		ops, texts := cli.DiffLines(la, lb)
		var ga, gb []string
		for i, op := range ops {
			if op != '+' {
				ga = append(ga, texts[i])
			}
			if op != '-' {
				gb = append(gb, texts[i])
			}
		}
		if !slices.Equal(la, ga) || !slices.Equal(lb, gb) {
			t.Errorf("%q and %q became %q and %q", la, lb, ga, gb)
		}
	})
}
