//go:build !linux

package admin

import (
	"net"
	"os"
	"syscall"
)

func private(_, _ string, _ syscall.RawConn) error { return nil }

// privateFile closes the socket to others. Until then the folder has to, which
// is 0700 where portico made it.
func privateFile(path string) (os.FileInfo, error) {
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

// peerUID relies on the mode of the file.
func peerUID(net.Conn) (uid int, ok bool) { return os.Getuid(), true }
