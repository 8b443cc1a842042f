//go:build !linux

package logging

import "os"

// isTerminal takes every character device for one.
func isTerminal(f *os.File) bool {
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}
