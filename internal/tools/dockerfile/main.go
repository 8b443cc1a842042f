// Command dockerfile parses the Dockerfile on its standard input as BuildKit
// does, and prints its instructions as JSON: [["FROM", "scratch"], ...]. It builds
// nothing.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "dockerfile:", err)
		os.Exit(1)
	}
}

func run() error {
	parsed, err := parser.Parse(os.Stdin)
	if err != nil {
		return err
	}
	// The typed form refuses what the grammar alone would let pass.
	if _, _, err := instructions.Parse(parsed.AST, nil); err != nil {
		return err
	}
	for _, w := range parsed.Warnings {
		return fmt.Errorf("%s", w.Short)
	}
	var all [][]string
	for _, node := range parsed.AST.Children {
		one := append([]string{strings.ToUpper(node.Value)}, node.Flags...)
		for n := node.Next; n != nil; n = n.Next {
			one = append(one, n.Value)
		}
		all = append(all, one)
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}
