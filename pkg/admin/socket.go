package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxSocketPath is what fits into sockaddr_un on Linux, less its final zero.
const maxSocketPath = 107

// socketListener is the admin socket. It takes its file away only while that is
// still its own: a daemon that was started since may have put another there.
type socketListener struct {
	*net.UnixListener
	path string
	file os.FileInfo
}

// listenSocket binds the unix socket at path, with mode 0600 from the start,
// whatever the umask. A file that a dead daemon left there is taken away.
func listenSocket(path string) (*socketListener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("admin socket %s: the path has %d bytes, but a unix socket's can have only %d; set a shorter one with admin { socket = \"...\" }", path, len(path), maxSocketPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: private}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	ul := ln.(*net.UnixListener)
	ul.SetUnlinkOnClose(false)
	l := &socketListener{UnixListener: ul, path: path}
	if l.file, err = privateFile(path); err != nil {
		_ = ul.Close()
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return l, nil
}

// removeStale takes away a socket file that nobody answers on, and nothing else.
func removeStale(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	if fi.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("admin socket %s: there is a file of that name, and it is no socket; move it away or set admin { socket = \"...\" }", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
		return fmt.Errorf("admin socket %s: another daemon answers there; stop it or set admin { socket = \"...\" }", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("admin socket: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("admin socket: remove what a dead daemon left: %w", err)
	}
	return nil
}

// remove takes the file away if it is still this listener's.
func (l *socketListener) remove() {
	if fi, err := os.Lstat(l.path); err == nil && os.SameFile(fi, l.file) {
		_ = os.Remove(l.path)
	}
}
