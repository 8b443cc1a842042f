// Command supply says what portico is made of: docs/licences.md, the texts of all
// licences, and a bill of materials of a program (CycloneDX). It looks at what is
// linked, not at what go.mod requires; it judges no licence beyond a list of
// those that are allowed.
//
//	supply licences               write docs/licences.md
//	supply texts FILE             write the texts that go with every copy of the program
//	supply sbom VERSION PROGRAM   print the bill of materials of a program that was built
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "supply:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "licences":
		page, err := licencesPage(ctx, root)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(root, "docs", "licences.md"), page, 0o644)
	case len(args) == 2 && args[0] == "texts":
		all, err := linked(ctx, root)
		if err != nil {
			return err
		}
		return os.WriteFile(args[1], texts(all), 0o644)
	case len(args) == 3 && args[0] == "sbom":
		all, err := linked(ctx, root)
		if err != nil {
			return err
		}
		return writeSBOM(out, all, args[1], args[2])
	}
	return errors.New("usage: supply licences | texts FILE | sbom VERSION PROGRAM")
}

// moduleRoot is the folder with go.mod at or above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("there is no go.mod above the working directory")
		}
		dir = parent
	}
}
