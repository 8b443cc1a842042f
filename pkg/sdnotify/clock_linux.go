package sdnotify

import "golang.org/x/sys/unix"

// monotonicMicros reads CLOCK_MONOTONIC, which systemd compares with its own;
// package time does not give that clock away.
func monotonicMicros() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // cannot fail on Linux; zero is older than every reload
	}
	return ts.Nano() / 1000
}
