package main

import (
	"os"
	"syscall"
)

// peakOf is the resident memory in MiB that a process had at most.
func peakOf(s *os.ProcessState) float64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return float64(u.Maxrss) / 1024
	}
	return 0
}
