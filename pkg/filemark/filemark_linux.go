package filemark

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

func at(path string) (Mark, bool) {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return Mark{}, false
	}
	return Mark{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano()}, true
}

func of(fi fs.FileInfo) (Mark, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return Mark{}, false
	}
	return Mark{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano()}, true
}
