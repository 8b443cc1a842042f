package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// processState is /proc/PID/status.
func processState(pid int) string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return string(b)
}

// stateKiB is a figure of /proc/PID/status, such as VmRSS.
func stateKiB(pid int, name string) float64 {
	for line := range strings.SplitSeq(processState(pid), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name+":" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb
		}
	}
	return 0
}

// rss is the resident memory of a process and its children, in KiB.
func rss(pid int) (sum float64) {
	for _, p := range family(pid) {
		sum += stateKiB(p, "VmRSS")
	}
	return sum
}

// ownMemory is what a process and its children hold in KiB that is no file's: the
// pages of the program come and go with what runs.
func ownMemory(pid int) (sum float64) {
	for _, p := range family(pid) {
		sum += stateKiB(p, "RssAnon")
	}
	return sum
}

// peakMemory is the most that a process and its children had resident, in MiB.
func peakMemory(pid int) (sum float64) {
	for _, p := range family(pid) {
		sum += stateKiB(p, "VmHWM") / 1024
	}
	return sum
}

// family is a process and its children.
func family(pid int) []int {
	pids := []int{pid}
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, file := range tasks {
		b, _ := os.ReadFile(file)
		for child := range strings.FieldsSeq(string(b)) {
			n, _ := strconv.Atoi(child)
			pids = append(pids, n)
		}
	}
	return pids
}

// statFields are those of /proc/PID/stat from the state on: parent second, user
// and system time twelfth and thirteenth, those of dead children after them.
func statFields(file string) []string {
	b, _ := os.ReadFile(file)
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.Fields(rest)
}

// cpuSeconds is what a process and its children have used. The scheduler knows it
// to the nanosecond of every thread that lives; of children that ended the parent
// knows it to the hundredth of a second.
func cpuSeconds(pid int) (sum float64) {
	const ticks = 100 // a second, on every Linux that Go runs on
	for _, p := range family(pid) {
		dir := "/proc/" + strconv.Itoa(p)
		f := statFields(dir + "/stat")
		own, ok := threadSeconds(dir)
		if !ok {
			own = (field(f, 11) + field(f, 12)) / ticks
		}
		sum += own + (field(f, 13)+field(f, 14))/ticks
	}
	return sum
}

// threadSeconds is what the threads of a process have used.
func threadSeconds(dir string) (sum float64, ok bool) {
	threads, _ := filepath.Glob(dir + "/task/*/schedstat")
	for _, file := range threads {
		b, _ := os.ReadFile(file)
		sum += field(strings.Fields(string(b)), 0) / 1e9
	}
	return sum, sum > 0
}

// field is a number, or nothing where there is none.
func field(f []string, i int) float64 {
	if i >= len(f) {
		return 0
	}
	n, _ := strconv.ParseFloat(f[i], 64)
	return n
}

// loadAverage is that of the last minute.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

// wantedFiles is how many descriptors the parts with idle connections need.
const wantedFiles = 200_000

// raiseFileLimit raises the limit for this process and what it starts, as far as
// it is allowed to; fileLimit says what came of it.
func raiseFileLimit() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return
	}
	l.Cur = min(wantedFiles, l.Max)
	if l.Max < wantedFiles {
		more := syscall.Rlimit{Cur: wantedFiles, Max: wantedFiles}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more) == nil {
			return
		}
	}
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}

func fileLimit() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 256
	}
	return int(min(l.Cur, wantedFiles))
}
