//go:build !linux

package process_test

// running reports whether there is a process.
func running(pid int) bool { return alive(pid) }
