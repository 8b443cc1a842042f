package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of go test -json; see go doc cmd/test2json. Lines of failed
// builds have ImportPath, the others Package.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// tally is the state of one run.
type tally struct {
	out      io.Writer
	strict   bool
	output   map[string][]string // of tests and packages that have not ended
	counts   map[string]*counts  // by package
	total    counts
	skips    []string
	failures []failure
	failing  bool
}

type counts struct{ passed, failed, skipped int }

// report reads the events of a run to their end, and reports whether all is
// well. strict makes a skipped test a failure.
func report(events io.Reader, out io.Writer, strict bool) (bool, error) {
	t := &tally{out: out, strict: strict, output: map[string][]string{}, counts: map[string]*counts{}}
	r := bufio.NewReader(events)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if jerr := json.Unmarshal(line, &e); jerr != nil {
				fmt.Fprintf(out, "%s", line) // not from test2json: show it
			} else {
				t.take(e)
			}
		}
		if err == io.EOF {
			break
		} else if err != nil {
			return false, fmt.Errorf("read the events: %w", err)
		}
	}
	return t.end(), nil
}

func (t *tally) take(e event) {
	switch {
	case e.Action == "build-output":
		fmt.Fprint(t.out, e.Output)
	case e.Action == "output":
		key := e.Package + " " + e.Test
		t.output[key] = append(t.output[key], e.Output)
	case e.Test != "":
		t.test(e)
	case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
		t.pkg(e)
	}
}

// test takes the end of a test.
func (t *tally) test(e event) {
	c := t.counts[e.Package]
	if c == nil {
		c = &counts{}
		t.counts[e.Package] = c
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
		t.show(key)
		t.failedAt(key)
	case "skip":
		c.skipped++
		t.skips = append(t.skips, fmt.Sprintf("%s %s: %s", short(e.Package), e.Test, reason(t.output[key])))
	default:
		return
	}
	delete(t.output, key)
}

// pkg takes the end of a package.
func (t *tally) pkg(e event) {
	c := t.counts[e.Package]
	if c == nil {
		c = &counts{}
	}
	t.total.passed += c.passed
	t.total.failed += c.failed
	t.total.skipped += c.skipped
	key := e.Package + " "
	switch {
	case e.Action == "fail":
		t.failing = true
		t.rest(e.Package) // tests that a panic or the end of time cut off
		t.show(key)
		t.failedAt(key)
		fmt.Fprintf(t.out, "FAIL\t%s\t%.1fs\t%d failed\n", e.Package, e.Elapsed, c.failed)
	case c.passed+c.failed+c.skipped == 0:
		fmt.Fprintf(t.out, "-\t%s\tno tests\n", e.Package)
	default:
		fmt.Fprintf(t.out, "ok\t%s\t%.1fs\t%d tests\n", e.Package, e.Elapsed, c.passed)
	}
	delete(t.output, key)
}

// rest shows what tests wrote that never ended.
func (t *tally) rest(pkg string) {
	for key := range t.output {
		if strings.HasPrefix(key, pkg+" ") && key != pkg+" " {
			t.show(key)
			t.failedAt(key)
			delete(t.output, key)
		}
	}
}

// noise is what go test says about every test, which the report says better.
var noise = []string{"FAIL\n", "FAIL\t", "=== RUN", "=== PAUSE", "=== CONT", "=== NAME", "PASS\n", "ok  \t"}

func (t *tally) show(key string) {
	for _, line := range t.output[key] {
		if !noisy(line) {
			fmt.Fprint(t.out, line)
		}
	}
}

func noisy(line string) bool {
	return slices.ContainsFunc(noise, func(n string) bool { return strings.HasPrefix(line, n) })
}

// reason is what a skipped test said.
func reason(output []string) string {
	for _, line := range output {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return line
		}
	}
	return "without a reason"
}

func short(pkg string) string { return strings.TrimPrefix(pkg, "github.com/porticod/portico/") }

func (t *tally) end() bool {
	for _, s := range t.skips {
		fmt.Fprintf(t.out, "SKIP\t%s\n", s)
	}
	t.digest()
	fmt.Fprintf(t.out, "\n%d passed, %d failed, %d skipped\n", t.total.passed, t.total.failed, t.total.skipped)
	if t.strict && t.total.skipped > 0 {
		fmt.Fprintln(t.out, "a skipped test is a failure here (CI=true)")
		return false
	}
	return !t.failing && t.total.failed == 0
}
