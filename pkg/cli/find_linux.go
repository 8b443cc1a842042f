package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxSockets bounds how many sockets are tried.
const maxSockets = 64

// listeningSockets are the unix sockets at which processes of this program's name
// listen, of those that we may look into, and that belong to a user who is trusted.
// A program that changed its user may pass for root's here.
func listeningSockets(trusted func(uid int) bool) (paths []string) {
	byInode := socketPaths()
	own, err := os.ReadFile("/proc/self/comm")
	if err != nil || len(byInode) == 0 {
		return nil
	}
	names, _ := filepath.Glob("/proc/[0-9]*/comm") // the pattern is good
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(comm, own) {
			continue
		}
		if uid, ok := userOf(filepath.Dir(name)); !ok || !trusted(uid) {
			continue
		}
		fds, _ := filepath.Glob(filepath.Join(filepath.Dir(name), "fd", "*"))
		for _, fd := range fds {
			link, err := os.Readlink(fd)
			if path := byInode[link]; err == nil && path != "" && !slices.Contains(paths, path) && len(paths) < maxSockets {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// socketPaths are the paths of the unix stream sockets that listen, by what the
// link of a descriptor says: socket:[inode]. Each line of the kernel's table has
// address, references, protocol, flags, type, state, inode and path (proc(5)).
func socketPaths() map[string]string {
	b, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil
	}
	const accepts, stream = "00010000", "0001"
	paths := map[string]string{}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.Join(strings.Fields(line), " "), " ", 8)
		if len(f) == 8 && f[3] == accepts && f[4] == stream && strings.HasPrefix(f[7], "/") {
			paths["socket:["+f[6]+"]"] = f[7]
		}
	}
	return paths
}
