package cli

import (
	"bytes"
	"fmt"
	"strings"
)

// diffContext is how many lines that stay the same a diff shows around a change.
const diffContext = 3

// unified is the difference of two versions of a file in the format of diff -u.
// Formatting changes lines but hardly moves them, so looking for the next
// common line nearby is enough; there is no need for the shortest diff.
func unified(name string, a, b []byte) []byte {
	edits := diffLines(lines(a), lines(b))
	var out bytes.Buffer
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name)
	for start := 0; start < len(edits); {
		for start < len(edits) && edits[start].op == ' ' {
			start++
		}
		if start == len(edits) {
			break
		}
		from, to := max(0, start-diffContext), hunkEnd(edits, start)
		writeHunk(&out, edits, from, to)
		start = to
	}
	return out.Bytes()
}

// An edit is a line that stays (' '), goes ('-') or comes ('+').
type edit struct {
	op   byte
	text string
}

func lines(b []byte) []string {
	var list []string
	for l := range strings.Lines(string(b)) {
		list = append(list, strings.TrimSuffix(l, "\n"))
	}
	return list
}

// diffLines pairs lines greedily.
func diffLines(a, b []string) []edit {
	var edits []edit
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			edits = append(edits, edit{' ', a[i]})
			i, j = i+1, j+1
			continue
		}
		di, dj := nextCommon(a[i:], b[j:])
		for _, l := range a[i : i+di] {
			edits = append(edits, edit{'-', l})
		}
		for _, l := range b[j : j+dj] {
			edits = append(edits, edit{'+', l})
		}
		i, j = i+di, j+dj
	}
	return edits
}

// nextCommon finds how many lines of a and b to pass until both go on alike.
func nextCommon(a, b []string) (int, int) {
	const reach = 200
	for sum := 1; sum <= reach && sum <= len(a)+len(b); sum++ {
		for i := max(0, sum-len(b)); i <= min(sum, len(a)); i++ {
			if j := sum - i; i < len(a) && j < len(b) && a[i] == b[j] {
				return i, j
			}
		}
	}
	return len(a), len(b)
}

// hunkEnd is where the hunk around the change at start ends: after the lines
// that follow its last change.
func hunkEnd(edits []edit, start int) int {
	last := start
	for i := start; i < len(edits) && i-last <= 2*diffContext; i++ {
		if edits[i].op != ' ' {
			last = i
		}
	}
	return min(len(edits), last+1+diffContext)
}

func writeHunk(out *bytes.Buffer, edits []edit, from, to int) {
	lineA, lineB := 1, 1
	for _, e := range edits[:from] {
		if e.op != '+' {
			lineA++
		}
		if e.op != '-' {
			lineB++
		}
	}
	var na, nb int
	for _, e := range edits[from:to] {
		if e.op != '+' {
			na++
		}
		if e.op != '-' {
			nb++
		}
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", lineA, na, lineB, nb)
	for _, e := range edits[from:to] {
		fmt.Fprintf(out, "%c%s\n", e.op, e.text)
	}
}
