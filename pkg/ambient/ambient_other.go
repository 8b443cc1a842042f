//go:build !linux

package ambient

// Renounce: nothing is inherited.
func Renounce() error { return nil }
