//go:build tools

// Package tool pins h2spec, which has no module of its own, with what it needs.
package tool

import _ "github.com/summerwind/h2spec/cmd/h2spec"
