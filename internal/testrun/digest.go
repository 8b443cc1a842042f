package main

import (
	"fmt"
	"strings"
)

const (
	digestTests = 20 // failures that are told again
	digestLines = 12 // of each
)

// digest says again, in short, what failed: whoever sees only the end of a long
// log sees that.
func (t *tally) digest() {
	for i, f := range t.failures {
		if i == digestTests {
			fmt.Fprintf(t.out, "... and %d more\n", len(t.failures)-i)
			break
		}
		fmt.Fprintf(t.out, "FAILED\t%s\n", f.name)
		for _, line := range f.lines {
			fmt.Fprintf(t.out, "\t%s\n", line)
		}
	}
}

// failure is one test, or what a package says without one.
type failure struct {
	name  string
	lines []string
}

// failedAt keeps the first lines of what a test said; of one that never ended,
// where it stands.
func (t *tally) failedAt(key string) {
	output := strings.Join(t.output[key], "")
	f := failure{name: strings.TrimSpace(short(key))}
	if where := standing(output); len(where) > 0 {
		f.lines = where
	} else {
		for line := range strings.SplitSeq(output, "\n") {
			if strings.TrimSpace(line) != "" && !noisy(line+"\n") && len(f.lines) < digestLines {
				f.lines = append(f.lines, strings.TrimSpace(line))
			}
		}
	}
	if len(f.lines) > 0 {
		t.failures = append(t.failures, f)
	}
}

// standing is where the goroutines of tests stood when time was up: the calls of
// this module, innermost first.
func standing(output string) (where []string) {
	_, dump, timedOut := strings.Cut(output, "panic: test timed out")
	if !timedOut {
		return nil
	}
	where = append(where, "timed out")
	for goroutine := range strings.SplitSeq(dump, "\n\n") {
		if !strings.Contains(goroutine, "testing.tRunner(") {
			continue
		}
		var calls []string
		for line := range strings.SplitSeq(goroutine, "\n") {
			if file, _, ok := strings.Cut(strings.TrimSpace(line), " +0x"); ok && !strings.Contains(file, "/src/") && !strings.HasPrefix(file, "_testmain") {
				calls = append(calls, file)
			}
		}
		if len(calls) > 0 {
			where = append(where, strings.Join(calls[:min(len(calls), 4)], " < "))
		}
		if len(where) > digestLines {
			break
		}
	}
	return where
}
