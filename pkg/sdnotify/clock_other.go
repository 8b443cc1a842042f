//go:build !linux

package sdnotify

// monotonicMicros has no use where there is no systemd.
func monotonicMicros() int64 { return 0 }
