//go:build tools

// Package tools pins what tests read beside the tools of go.mod: the schema of
// CycloneDX and the parser of Dockerfiles.
package tools

import (
	_ "github.com/CycloneDX/cyclonedx-go"
	_ "github.com/moby/buildkit/frontend/dockerfile/parser"
)
