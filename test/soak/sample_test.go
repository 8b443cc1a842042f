package soak_test

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// A sample is what the daemon takes at one moment.
type sample struct {
	at                              time.Duration
	memory, goroutines, descriptors float64
}

// sample reads the daemon's own metrics.
func (r *run) sample(at time.Duration) sample {
	r.t.Helper()
	s, all := sample{at: at}, r.d.Metrics()
	for name, to := range map[string]*float64{"process_resident_memory_bytes": &s.memory, "go_goroutines": &s.goroutines, "process_open_fds": &s.descriptors} {
		n, ok := all[name]
		if !ok {
			r.t.Fatalf("metrics without %s", name)
		}
		*to = n
	}
	return s
}

// The table stands between these lines.
const (
	tableBegins = "<!-- made by make soak -->\n"
	tableEnds   = "<!-- end -->\n"
)

// write puts the figures into the page.
func (r *run) write(samples []sample, verdicts []verdict) {
	r.t.Helper()
	old, err := os.ReadFile(*page)
	r.must(err)
	head, rest, ok := strings.Cut(string(old), tableBegins)
	_, tail, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		r.t.Fatalf("%s has no place for the table", *page)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%v of load, failures: %d.\n\n| after | resident memory, MiB | goroutines | descriptors |\n|---|---|---|---|\n", lasts.Round(time.Second), r.wrong)
	for i := range 10 {
		s := samples[(len(samples)-1)*i/9]
		fmt.Fprintf(&b, "| %v | %.0f | %.0f | %.0f |\n", s.at.Round(time.Second), s.memory/(1<<20), s.goroutines, s.descriptors)
	}
	if samples[len(samples)-1].at >= long {
		b.WriteString("\n| | second third | last third | a line through the second half, an hour | noise |\n|---|---|---|---|---|\n")
		for _, v := range verdicts {
			fmt.Fprintf(&b, "| %s | %.1f | %.1f | %+.1f | %.1f |\n", v.name, v.early, v.late, v.hourly, v.noise)
		}
	}
	fmt.Fprintf(&b, "\n| done | times |\n|---|---|\n")
	for _, what := range r.names() {
		fmt.Fprintf(&b, "| %s | %d |\n", what, r.done[what].Load())
	}
	r.must(os.WriteFile(*page, []byte(head+tableBegins+b.String()+"\n"+tableEnds+tail), 0o644))
}
