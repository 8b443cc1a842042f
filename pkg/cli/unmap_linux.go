package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetStart lets go of the pages of the program that only its start needed.
// They are the file's, unchanged, and in the kernel's cache: what is needed again
// is mapped again, without reading. Half of what an idle daemon holds is that.
func forgetStart() {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range unchanged(b, exe) {
		// The range is the process's own and cannot go away: it is the program.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// A mapping is a part of memory.
type mapping struct{ from, to uintptr }

// unchanged finds the mappings of a file in the text of smaps (proc(5)) that are
// not writable and of which no page was ever changed: those alone can be had from
// the file again.
func unchanged(smaps []byte, file string) (all []mapping) {
	var m mapping
	mine := false
	for s := bufio.NewScanner(bytes.NewReader(smaps)); s.Scan(); {
		w := strings.Fields(s.Text())
		switch {
		case len(w) >= 6 && strings.Contains(w[0], "-"):
			_, err := fmt.Sscanf(w[0], "%x-%x", &m.from, &m.to)
			mine = err == nil && w[5] == file && strings.HasPrefix(w[1], "r-") && m.from < m.to
		case mine && len(w) >= 2 && w[0] == "Anonymous:" && w[1] == "0":
			all = append(all, m)
		}
	}
	return all
}
