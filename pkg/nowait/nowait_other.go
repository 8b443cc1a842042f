//go:build !linux || !(amd64 || arm64)

package nowait

import "golang.org/x/sys/unix"

// Read reads from a socket; 0 bytes and no error are the end of the stream.
func Read(fd int, b []byte) (int, error) {
	n, err := unix.Read(fd, b)
	return max(n, 0), err
}

// Write writes to a socket what it takes now.
func Write(fd int, b []byte, _ bool) (int, error) {
	n, err := unix.Write(fd, b)
	return max(n, 0), err
}

// Writev is Write of several pieces, of which it writes the first that is not empty.
func Writev(fd int, bufs [][]byte, more bool) (int, error) {
	for _, b := range bufs {
		if len(b) > 0 {
			return Write(fd, b, more)
		}
	}
	return 0, nil
}
