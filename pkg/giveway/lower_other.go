//go:build !linux

package giveway

// lower is for Linux.
func lower() {}
