//go:build !linux

package cli

import "io"

// hideInput does nothing here: what is typed is seen.
func hideInput(io.Reader) (restore func(), err error) { return func() {}, nil }
