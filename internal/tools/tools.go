//go:build tools

// Package tools pins what tests read beside the tools of go.mod: the schema of
// CycloneDX.
package tools

import _ "github.com/CycloneDX/cyclonedx-go"
