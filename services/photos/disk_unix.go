//go:build linux || darwin

package photos

import "golang.org/x/sys/unix"

// diskSpace returns the bytes that an ordinary user may still write to the disk
// that dir is on, and how many it has.
func diskSpace(dir string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}
