package systemd

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The table stands between these lines.
const (
	tableBegins = "<!-- made by make systemd -->\n"
	tableEnds   = "<!-- end -->\n"
)

// writeTable puts the figures of the long form into the page.
func writeTable(t *testing.T, r Report, load string) {
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
	if err := os.WriteFile(*page, []byte(head+tableBegins+table(r, load, t.Failed())+tableEnds+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table has a column for each kind of event.
func table(r Report, load string, failed bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s, %d cores, for clients and server together, beside a load of %s of other programs. %d messages were acknowledged, of which %d are lost; %d posts and attachments, of which %d are lost, damaged or there twice.\n\n",
		r.System, runtime.NumCPU(), load, r.Acked, r.Lost, r.Uploads, r.UploadFaults)
	if failed {
		b.WriteString("**This run failed**: it did not hold everything that is promised above.\n\n")
	}
	row := func(what string, cell func(Phase) string) {
		fmt.Fprintf(&b, "| %s |", what)
		for _, ph := range r.Phases {
			fmt.Fprintf(&b, " %s |", cell(ph))
		}
		fmt.Fprintln(&b)
	}
	count := func(n int) string { return strconv.Itoa(n) }
	row("", func(ph Phase) string { return ph.Name })
	b.WriteString("|---|" + strings.Repeat("---|", len(r.Phases)) + "\n")
	row("times", func(ph Phase) string { return count(ph.Times) })
	row("requests over new connections", func(ph Phase) string { return count(ph.Fresh.Requests) })
	row("requests over kept connections", func(ph Phase) string { return count(ph.Kept.Requests) })
	row("requests over new TLS connections", func(ph Phase) string { return count(ph.Secure.Fresh.Requests) })
	row("requests over a kept TLS connection", func(ph Phase) string { return count(ph.Secure.Kept.Requests) })
	row("requests over HTTP/2", func(ph Phase) string { return count(ph.Secure.Shared.Requests) })
	row("of these sent again, as RFC 9113 section 8.7 allows", func(ph Phase) string { return count(ph.Secure.Again) })
	row("requests of uploads", func(ph Phase) string { return count(ph.Uploads.Requests) })
	row("connections refused", func(ph Phase) string { return count(ph.total().Refused) })
	row("requests failed", func(ph Phase) string { return count(ph.total().Failed) })
	row("requests cut that were in flight", func(ph Phase) string { return count(ph.total().Cut) })
	row("the longest that a new request took each time: p50, max", func(ph Phase) string { return pair(ph.Stalls) })
	row("the same over TLS", func(ph Phase) string { return pair(ph.Secure.Stalls) })
	row("the same of a program that does nothing but answer", func(ph Phase) string { return pair(ph.Bare) })
	row("WebSockets, plain", func(ph Phase) string { return count(ph.WebSockets) })
	row("of these cut", func(ph Phase) string { return count(ph.Chat.Plain.Cut) })
	row("until all of them were back: p50, max", func(ph Phase) string { return pair(ph.Back) })
	row("WebSockets over TLS", func(ph Phase) string { return count(ph.SecureSockets) })
	row("of these cut", func(ph Phase) string { return count(ph.Chat.Secure.Cut) })
	row("without close code 1012", func(ph Phase) string { return count(ph.Chat.Untold) })
	row("until all of them were back: p50, max", func(ph Phase) string { return pair(ph.SecureBack) })
	row("messages acknowledged", func(ph Phase) string { return count(ph.Chat.Acked) })
	row("the longest until a message was acknowledged, plain", func(ph Phase) string { return millis(ph.Chat.Plain.Longest) })
	row("the same over TLS", func(ph Phase) string { return millis(ph.Chat.Secure.Longest) })
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
	return millis(middle(list)) + ", " + millis(last(list))
}

func millis(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
