// Package sandbox locks the process that it is called in: no files, no network,
// no new programs, bounded memory and CPU time, for as long as it lives. What
// the kernel or the service manager does not allow is left out and reported, so
// that the caller can say so. It does not start processes.
package sandbox

import (
	"fmt"
	"strings"
)

// Limits are what the process may use. Zero leaves a limit as it is.
type Limits struct {
	Memory int64 // bytes of private writable memory (RLIMIT_DATA)
	CPU    int   // seconds of CPU time in its whole life
	Files  int   // descriptors, those that are open included
	Nice   int   // added to the nice value, 0 to 19
}

// A Report says which walls stand. The zero value is none.
type Report struct {
	Landlock int      `json:"landlock"` // version of its interface; 0 where there is none
	Seccomp  bool     `json:"seccomp"`  // only the system calls of a program that computes
	Limits   bool     `json:"limits"`   // all of Limits
	Missing  []string `json:"missing,omitempty"`
}

func (r Report) String() string {
	var have []string
	if r.Landlock > 0 {
		have = append(have, fmt.Sprintf("landlock %d", r.Landlock))
	}
	if r.Seccomp {
		have = append(have, "seccomp")
	}
	if r.Limits {
		have = append(have, "limits")
	}
	if len(have) == 0 {
		have = append(have, "nothing")
	}
	s := strings.Join(have, ", ")
	if len(r.Missing) > 0 {
		s += "; without " + strings.Join(r.Missing, "; ")
	}
	return s
}

func (r *Report) miss(what string, err error) {
	r.Missing = append(r.Missing, fmt.Sprintf("%s: %v", what, err))
}
