package memory

import (
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"
)

// Used is the memory that the process alone holds, in bytes: what it allocated
// and what libraries did beside Go's heap, without the pages of files, which
// the kernel can take back.
func Used() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b, []byte("\nRssAnon:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(string(line), "kB")), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// Granted is the smallest bound of the control groups that the process is in, in
// bytes; 0 where there is none. systemd's MemoryMax= and containers set them.
func Granted() int64 { return granted("/proc/self/cgroup", "/sys/fs/cgroup") }

func granted(self, root string) (least int64) {
	b, err := os.ReadFile(self)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		dir, file := root, "memory.max"
		if controllers := parts[1]; controllers != "" { // version 1
			if !strings.Contains(","+controllers+",", ",memory,") {
				continue
			}
			dir, file = path.Join(root, "memory"), "memory.limit_in_bytes"
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			if n := bound(path.Join(dir, group, file)); n > 0 && (least == 0 || n < least) {
				least = n
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}

// unbounded is what version 1 says where there is no bound, or more.
const unbounded = 1 << 60

func bound(file string) int64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // or "max"
	if err != nil || n >= unbounded {
		return 0
	}
	return n
}
