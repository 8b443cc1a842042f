package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// splits are what is timed, each with the same server that does not split.
var splits = []struct{ name, without string }{
	{"direct", ""},
	{"portico respond", ""},
	{"portico respond after a split", "portico respond"},
	{"portico tcp", ""},
	{"portico tcp after a split", "portico tcp"},
	{"HAProxy tcp", ""},
	{"HAProxy tcp after a split", "HAProxy tcp"},
	{"sslh", ""},
}

func splitTakes(b *bench) time.Duration {
	return 2*time.Second + time.Duration(b.rounds)*splitRound(b)
}

// splitRound is how long all take turns in one round.
func splitRound(b *bench) time.Duration { return time.Duration(len(splits)) * b.each / 2 }

// runSplit times connections one after another: connect, one request, its answer.
// All servers take turns connection by connection, so that they have the same
// noise.
func runSplit(ctx context.Context, b *bench, r *report) error {
	f, err := startFronts(ctx, b)
	if err != nil {
		return err
	}
	defer f.stop()
	p50, p99 := make(map[string]series), make(map[string]series)
	for range b.rounds {
		times := make(map[string][]time.Duration)
		for end := time.Now().Add(splitRound(b)); time.Now().Before(end) && ctx.Err() == nil; {
			for _, s := range splits {
				took, err := oneAnswer(strings.TrimPrefix(f.by[s.name].url, "http://"))
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				times[s.name] = append(times[s.name], took)
			}
		}
		for name, t := range times {
			slices.Sort(t)
			p50[name] = append(p50[name], percentile(t, .5)*1e3)
			p99[name] = append(p99[name], percentile(t, .99)*1e3)
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	t := newTable("connect, one request, its answer", "p50, µs", "p99, µs", "the split adds to p50, µs", "to p99, µs")
	added := &chart{title: "What a split adds to the median time of a connection, µs"}
	whole := &chart{title: "Connect, one request, its answer: median, µs"}
	for _, s := range splits {
		name, own := s.name, strings.HasPrefix(s.name, "portico")
		whole.add("", name, p50[name], !own)
		if own {
			name = "**" + name + "**"
		}
		row := []string{name, p50[s.name].String(), p99[s.name].String()}
		if s.without != "" {
			more := p50[s.name].minus(p50[s.without])
			row = append(row, more.String(), p99[s.name].minus(p99[s.without]).String())
			added.add("", s.name, more, !own)
		}
		t.add(row...)
	}
	r.table(t)
	r.plot("added", added)
	r.plot("whole", whole)
	return nil
}

// oneAnswer connects, asks once, and reads the answer whole.
func oneAnswer(addr string) (time.Duration, error) {
	begun := time.Now()
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(begun.Add(10 * time.Second))
	if _, err := io.WriteString(c, "GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	took := time.Since(begun)
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("answered %s", res.Status)
	}
	return took, nil
}
