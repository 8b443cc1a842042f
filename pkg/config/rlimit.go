package config

import (
	"math"

	"golang.org/x/sys/unix"
)

// defaultConnections is 80 % of the limit of open files, so that services keep
// some for their own files; 0 where the limit cannot be told.
func defaultConnections() int {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil || lim.Cur > math.MaxInt32 {
		return 0
	}
	return int(lim.Cur) * 8 / 10
}
