package nodes

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The table stands between these lines.
const (
	tableBegins = "<!-- made by make nodes -->\n"
	tableEnds   = "<!-- end -->\n"
)

// writeTable puts the figures of the long form into the page.
func writeTable(t *testing.T, found []finding, s sum, load string) {
	t.Helper()
	old, err := os.ReadFile(*page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(old), tableBegins)
	_, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", *page)
	}
	text := head + tableBegins + table(found, s, load, t.Failed()) + tableEnds + after
	if err := os.WriteFile(*page, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table has a line for each fault.
func table(found []finding, s sum, load string, failed bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d nodes, PostgreSQL with a synchronous standby, NATS, a bucket and their clients on one machine with %d cores, beside a load of %s of other programs. %d messages were acknowledged, of which %d are lost; %d posts, of which %d are lost, damaged or there twice; %d times somebody signed in at one node and out at another.\n\n",
		nodeCount, runtime.NumCPU(), load, s.Messages, s.MessagesLost, s.Posts, s.PostsLost, s.SignIns)
	if failed {
		b.WriteString("**This run failed**: it did not hold everything that is promised here.\n\n")
	}
	b.WriteString("| what happens | times | messages | posts | connections that ended | clients were back after: p50, max | the longest that a message waited: p50, max | requests told to come again, late, cut | it is said after: p50, max | all is well after: p50, max |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, f := range found {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %s | %s | %d, %d, %d | %s | %s |\n",
			f.name, f.times, f.acked, f.posts, len(f.backs), pair(f.backs), pair(f.waits), f.requests.refused, f.requests.late, f.requests.cut, pair(f.noticed), pair(f.ready))
	}
	return b.String() + "\n"
}

// loadOfOthers is the machine's load average, before anything has begun.
func loadOfOthers(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		t.Fatal(err)
	}
	now, _, _ := strings.Cut(string(b), " ")
	return now
}

// pair is the median and the longest; a dash where there is nothing.
func pair(list []time.Duration) string {
	if len(list) == 0 {
		return "–"
	}
	sorted := slices.Sorted(slices.Values(list))
	return millis(sorted[len(sorted)/2]) + ", " + millis(last(list))
}

func last(list []time.Duration) time.Duration { return slices.Max(list) }

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + " ms" }
