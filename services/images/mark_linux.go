package images

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// markAt looks at the file that path leads to; not ok where there is none.
func markAt(path string) (mark, bool) {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return mark{}, false
	}
	return mark{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano()}, true
}

// markOf is the mark of an opened file.
func markOf(fi fs.FileInfo) (mark, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return mark{}, false
	}
	return mark{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano()}, true
}
