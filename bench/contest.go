package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A runner is one server of a contest.
type runner struct {
	name    string
	pid     int
	portico *portico // to be profiled; nil: a peer
	url     string   // what wrk asks for
	peer    string   // whom it is compared with first; empty: nobody
	measure func(ctx context.Context, d time.Duration) (sample, error)
}

// A sample is one measurement of one server.
type sample struct {
	rate     float64 // answers a second
	p50, p99 float64 // ms
	cpu      float64 // the server's, in seconds for each answer
	broken   float64 // connections that ended amid an answer
}

// A contest is what the rounds measured of each runner.
type contest struct {
	title   string
	runners []runner
	samples [][]sample // of each runner, in the order of the rounds
}

// compete measures every runner in every round, in turn; every other round goes
// the other way, so that what drifts does not favour anybody.
func (b *bench) compete(ctx context.Context, title string, runners []runner) (*contest, error) {
	c := &contest{title: title, runners: runners, samples: make([][]sample, len(runners))}
	for round := range b.rounds {
		order := make([]int, len(runners))
		for i := range order {
			order[i] = i
		}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, i := range order {
			s, err := b.sampleOf(ctx, c, i, round == 0)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", title, runners[i].name, err)
			}
			if s.broken > 0 && runners[i].portico != nil {
				return nil, fmt.Errorf("%s: %s broke %.0f connections", title, runners[i].name, s.broken)
			}
			c.samples[i] = append(c.samples[i], s)
		}
	}
	return c, nil
}

// fileName is what may be part of one.
var fileName = regexp.MustCompile(`[^a-z0-9]+`)

// sampleOf takes one sample, with a profile of portico where one is wanted.
func (b *bench) sampleOf(ctx context.Context, c *contest, i int, first bool) (sample, error) {
	r := c.runners[i]
	var profiled <-chan error
	if b.profile != "" && first && r.portico != nil {
		name := fileName.ReplaceAllString(strings.ToLower(c.title+"-"+r.name), "-")
		profiled = r.portico.profiled(b.each, filepath.Join(b.profile, strings.Trim(name, "-")+".pprof"))
	}
	s, err := r.measure(ctx, b.each)
	if profiled != nil {
		if perr := <-profiled; err == nil {
			err = perr
		}
	}
	return s, err
}

func (c *contest) column(name string, f func(sample) float64) (out series) {
	i := slices.IndexFunc(c.runners, func(r runner) bool { return r.name == name })
	if i < 0 {
		return nil
	}
	for _, s := range c.samples[i] {
		out = append(out, f(s))
	}
	return out
}

func (c *contest) rates(name string) series {
	return c.column(name, func(s sample) float64 { return s.rate })
}

// cpus are microseconds of CPU for each answer.
func (c *contest) cpus(name string) series {
	return c.column(name, func(s sample) float64 { return s.cpu * 1e6 })
}

func (c *contest) p99s(name string) series {
	return c.column(name, func(s sample) float64 { return s.p99 })
}

// table has a row for each runner; unit is what is counted, size how many bytes an
// answer has.
func (c *contest) table(unit string, peers ...string) *table {
	head := []string{c.title, unit + " a second"}
	for _, p := range peers {
		head = append(head, "beside "+p)
	}
	t := newTable(append(head, "p50, ms", "p99, ms", "CPU, µs for each", "CPU beside its peer")...)
	for _, r := range c.runners {
		rate := c.rates(r.name).String()
		if broken := c.column(r.name, func(s sample) float64 { return s.broken }); broken.high() > 0 {
			rate += fmt.Sprintf("; up to %.0f connections broke", broken.high())
		}
		row := []string{r.shown(), rate}
		for _, p := range peers {
			row = append(row, c.rates(r.name).beside(c.rates(p)).String())
		}
		p50 := c.column(r.name, func(s sample) float64 { return s.p50 })
		row = append(row, number(p50.median()), number(c.p99s(r.name).median()), c.cpus(r.name).String())
		if r.peer != "" {
			row = append(row, c.cpus(r.name).beside(c.cpus(r.peer)).String()+" x "+r.peer)
		}
		t.add(row...)
	}
	return t
}

// shown is the runner's name in a table.
func (r runner) shown() string {
	if r.portico != nil {
		return "**" + r.name + "**"
	}
	return r.name
}

// bars adds the rates of every portico beside its peer.
func (c *contest) bars(to *chart) {
	for _, r := range c.runners {
		if r.peer != "" {
			to.add(c.title, r.name, c.rates(r.name).beside(c.rates(r.peer)), r.portico == nil)
		}
	}
}

// A load is what wrk does: one thread, so many connections.
type load struct {
	conns int      // 0: 32
	args  []string // more for wrk
}

// closing has a connection for every request.
var closing = load{args: []string{"-H", "Connection: close"}}

// drive has wrk measure every runner by its URL.
func drive(runners []runner, l load) []runner {
	runners = slices.Clone(runners)
	for i, r := range runners {
		runners[i].measure = func(ctx context.Context, d time.Duration) (sample, error) { return wrk(ctx, r.url, r.pid, d, l) }
	}
	return runners
}

// at has every runner asked for a path.
func at(runners []runner, path string) []runner {
	runners = slices.Clone(runners)
	for i := range runners {
		runners[i].url += path
	}
	return runners
}

var (
	versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)
	rateLine      = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	p50Line       = regexp.MustCompile(`50%\s+([0-9.]+)(us|ms|s)`)
	p99Line       = regexp.MustCompile(`99%\s+([0-9.]+)(us|ms|s)`)
	totalLine     = regexp.MustCompile(`(\d+) requests in`)
	brokenLine    = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+)`)
)

// wrk drives one address and counts what the server used meanwhile.
func wrk(ctx context.Context, url string, pid int, d time.Duration, l load) (sample, error) {
	conns := l.conns
	if conns == 0 {
		conns = 32
	}
	args := append([]string{"-t1", fmt.Sprintf("-c%d", conns), "--latency", "--timeout", "10s", fmt.Sprintf("-d%ds", max(1, int(d.Seconds())))}, l.args...)
	before := cpuSeconds(pid)
	out, err := exec.CommandContext(ctx, "wrk", append(args, url)...).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk on %s: %w: %s", url, err, out)
	}
	return readWrk(url, string(out), cpuSeconds(pid)-before)
}

// readWrk reads what wrk prints. Answers that are not 2xx are an error: a server
// that fails fast is not fast.
func readWrk(url, out string, used float64) (s sample, err error) {
	rate, total := rateLine.FindStringSubmatch(out), totalLine.FindStringSubmatch(out)
	p50, p99 := p50Line.FindStringSubmatch(out), p99Line.FindStringSubmatch(out)
	if rate == nil || total == nil || p50 == nil || p99 == nil || strings.Contains(out, "Non-2xx") {
		return s, fmt.Errorf("wrk on %s: %s", url, out)
	}
	if m := brokenLine.FindStringSubmatch(out); m != nil {
		for _, n := range m[1:] {
			broken, _ := strconv.ParseFloat(n, 64)
			s.broken += broken
		}
	}
	milli := func(m []string) float64 {
		v, _ := strconv.ParseFloat(m[1], 64)
		return v * map[string]float64{"us": 1e-3, "ms": 1, "s": 1e3}[m[2]]
	}
	s.rate, _ = strconv.ParseFloat(rate[1], 64)
	s.p50, s.p99 = milli(p50), milli(p99)
	if answers, _ := strconv.ParseFloat(total[1], 64); answers > 0 {
		s.cpu = used / answers
	}
	return s, nil
}
