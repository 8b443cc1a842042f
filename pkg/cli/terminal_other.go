//go:build !linux

package cli

// waitInput lets the read wait: it ends with the process.
func (t *terminal) waitInput() bool { return true }
