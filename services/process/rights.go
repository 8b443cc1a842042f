package process

import (
	"slices"

	"github.com/porticod/portico/pkg/ambient"
)

// toSwitch are the rights, by their names in capabilities(7), that a program of
// another user takes: to become that user, and to end it. Without the last neither
// a signal nor the one that the kernel sends when portico dies would reach it
// (check_kill_permission in kernel/signal.c); a pidfd asks for the same.
var toSwitch = []string{"CAP_SETUID", "CAP_SETGID", "CAP_KILL"}

// toShare are those that a folder of another user takes: to make it so, to enter
// it, and to remove it from /tmp.
var toShare = []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"}

// needed are the rights that running a program as another user takes, one that
// listens in a folder of its own if share is true.
func needed(share bool) []string {
	if share {
		return slices.Concat(toSwitch, toShare)
	}
	return slices.Clone(toSwitch)
}

// lacking are those of them that portico does not have.
func lacking(share bool) []string { return slices.DeleteFunc(needed(share), ambient.Has) }
