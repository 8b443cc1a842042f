package admin

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// private sets the mode that bind(2) will make the file with. On Linux that is
// the descriptor's own, less the umask; so the file is never open to others,
// and the process's umask, which all threads share, stays as it is.
func private(_, _ string, c syscall.RawConn) error {
	var merr error
	if err := c.Control(func(fd uintptr) { merr = unix.Fchmod(int(fd), 0o600) }); err != nil {
		return err
	}
	return merr
}

// privateFile is called when the socket was bound.
func privateFile(path string) (os.FileInfo, error) { return os.Lstat(path) }

// peerUID is the user at the other end of c.
func peerUID(c net.Conn) (uid int, ok bool) {
	sc, is := c.(syscall.Conn)
	if !is {
		return 0, false
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *unix.Ucred
	var cerr error
	err = rc.Control(func(fd uintptr) { cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || cerr != nil {
		return 0, false
	}
	return int(cred.Uid), true
}
