package hostcheck

import "golang.org/x/sys/unix"

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
