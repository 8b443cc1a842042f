package hostcheck

import (
	"os"

	"golang.org/x/sys/unix"
)

// capabilities are the numbers of those that services may need.
var capabilities = map[string]uint{
	"CAP_CHOWN": unix.CAP_CHOWN, "CAP_DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "CAP_FOWNER": unix.CAP_FOWNER,
	"CAP_KILL": unix.CAP_KILL, "CAP_SETUID": unix.CAP_SETUID, "CAP_SETGID": unix.CAP_SETGID,
}

// ownCapability reports whether this process has the capability named. What
// cannot be told, root has.
func ownCapability(name string) bool {
	var has [2]unix.CapUserData
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	bit, known := capabilities[name]
	if err := unix.Capget(&head, &has[0]); err != nil || !known {
		return os.Geteuid() == 0
	}
	return has[bit/32].Effective&(1<<(bit%32)) != 0
}

func room(dir string) (Room, bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil || st.Bsize <= 0 {
		return Room{}, false
	}
	return Room{st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), st.Ffree, st.Files}, true
}

func openFiles() (limit uint64, ok bool) {
	var r unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r)
	return r.Cur, err == nil
}

func clockSynced() (synced, ok bool) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, err == nil
}
