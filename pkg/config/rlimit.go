package config

import (
	"math"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/pkg/memory"
	"github.com/porticod/portico/pkg/settings"
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

// defaultMemory is 80 % of what the control group grants: the kernel kills who
// takes more, and picture workers are in the same group. 0 where there is none.
func defaultMemory() settings.Size {
	granted := settings.Size(memory.Granted())
	if granted < leastMemory*5/4 {
		return 0
	}
	return granted / 10 * 8
}

// defaultPictureMemory leaves half of what the control group grants to the rest.
func defaultPictureMemory() settings.Size {
	granted := settings.Size(memory.Granted())
	if granted == 0 {
		return mostPictureMemory
	}
	return min(max(granted/2, leastPictureMemory), mostPictureMemory)
}
