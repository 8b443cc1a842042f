package sdnotify

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// firstFile is the first descriptor that is handed over, sd_listen_fds(3).
const firstFile = 3

// maxFiles bounds how many descriptors are taken over, systemd's own limit.
const maxFiles = 4096

// Files returns the descriptors that systemd handed over, named as in the unit.
// The caller owns them. Children do not inherit them. It is to be called once,
// before the process opens anything.
func Files(getenv func(string) string, pid int) []*os.File {
	if getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n <= 0 || n > maxFiles {
		return nil
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	files := make([]*os.File, n)
	for i := range files {
		name := "LISTEN_FD_" + strconv.Itoa(firstFile+i)
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		syscall.CloseOnExec(firstFile + i)
		files[i] = os.NewFile(uintptr(firstFile+i), name)
	}
	return files
}
