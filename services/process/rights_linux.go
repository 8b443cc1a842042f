package process

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// A right is a capability: capabilities(7).
type right struct {
	bit  uint
	name string
}

// toSwitch are the rights that a program of another user takes: to become that
// user, and to end it. Without the last neither a signal nor the one that the
// kernel sends when portico dies would reach it (check_kill_permission in
// kernel/signal.c); a pidfd asks for the same.
var toSwitch = []right{{unix.CAP_SETUID, "CAP_SETUID"}, {unix.CAP_SETGID, "CAP_SETGID"}, {unix.CAP_KILL, "CAP_KILL"}}

// toShare are those that a folder of another user takes: to make it so, to enter
// it, and to remove it from /tmp.
var toShare = []right{{unix.CAP_CHOWN, "CAP_CHOWN"}, {unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"}, {unix.CAP_FOWNER, "CAP_FOWNER"}}

// needed are the rights that running a program as another user takes, one that
// listens in a folder of its own if share is true.
func needed(share bool) []right {
	if share {
		return slices.Concat(toSwitch, toShare)
	}
	return toSwitch
}

func names(rights []right) (list []string) {
	for _, r := range rights {
		list = append(list, r.name)
	}
	return list
}

// lacking are the names of those that portico needs and does not have.
func lacking(share bool) []string {
	var has [2]unix.CapUserData // of this thread, which has what all have
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&head, &has[0]); err != nil && os.Geteuid() == 0 {
		return nil // it is forbidden to ask; the start will tell
	}
	return names(slices.DeleteFunc(slices.Clone(needed(share)), func(r right) bool {
		return has[r.bit/32].Effective&(1<<(r.bit%32)) != 0
	}))
}
