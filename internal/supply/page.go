package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"strings"
)

//go:embed head.txt
var head string

// licencesPage makes docs/licences.md.
func licencesPage(ctx context.Context, root string) ([]byte, error) {
	all, err := linked(ctx, root)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(head)
	for _, m := range all {
		if m.Path == ours {
			continue
		}
		name, version := m.Path, m.Version
		if m.Path == goModule {
			name, version = "Go's standard library", "that of the build"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, version, strings.Join(m.Licences, ", "))
	}
	return b.Bytes(), nil
}

const rule = "================================================================================"

// texts are the licences and notices of all modules, in full.
func texts(all []module) []byte {
	var b bytes.Buffer
	b.WriteString("portico is made with the following works of others; their licences and notices,\nas they came with them:\n")
	for _, m := range all {
		for _, f := range m.Files {
			fmt.Fprintf(&b, "\n%s\n%s %s: %s\n%s\n\n%s\n", rule, m.Path, m.Version, f.Path, rule, strings.TrimSpace(f.Text))
		}
	}
	return b.Bytes()
}
