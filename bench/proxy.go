package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

func proxyTakes(b *bench) time.Duration {
	return 2*time.Second + b.turns(4*len(frontRows(b))) + b.streamTakes(4)
}

// runProxy measures the HTTP proxy.
func runProxy(ctx context.Context, b *bench, r *report) error {
	f, err := startFronts(ctx, b)
	if err != nil {
		return err
	}
	defer f.stop()
	runners := f.of("direct", "nginx http", "HAProxy http", "portico proxy")
	beside := &chart{title: "HTTP proxy: requests a second beside nginx", marks: []mark{{1, "nginx"}}}
	for _, row := range frontRows(b) {
		c, err := b.compete(ctx, row.title, drive(at(runners, row.path), row.load))
		if err != nil {
			return fmt.Errorf("%w: %s", err, f.portico.log)
		}
		r.table(c.table("requests", "direct", "nginx http", "HAProxy http"))
		ratio := c.rates("portico proxy").beside(c.rates("nginx http"))
		r.reach("proxy", row.title, ratio)
		beside.add(row.title, "portico proxy", ratio, false)
		beside.add(row.title, "HAProxy http", c.rates("HAProxy http").beside(c.rates("nginx http")), true)
	}
	c, err := b.compete(ctx, "one answer of "+sizeName(streamSize(b)), stream(b, runners))
	if err != nil {
		return err
	}
	r.table(streamTable(c))
	r.plot("rates", beside)
	return nil
}

// stream has every runner move one large answer.
func stream(b *bench, runners []runner) []runner {
	runners = at(runners, "/stream")
	for i, r := range runners {
		runners[i].measure = func(ctx context.Context, _ time.Duration) (sample, error) {
			before, begun := cpuSeconds(r.pid), time.Now()
			n, err := swallow(ctx, r.url)
			if err == nil && n != streamSize(b) {
				err = fmt.Errorf("%d bytes came, not %d", n, streamSize(b))
			}
			gb := float64(n) / 1e9
			return sample{rate: gb / time.Since(begun).Seconds(), cpu: (cpuSeconds(r.pid) - before) / gb}, err
		}
	}
	return runners
}

// streamTable counts GB where other tables count answers.
func streamTable(c *contest) *table {
	t := newTable(c.title, "GB a second", "CPU seconds for each GB", "bytes for each second of CPU beside its peer")
	for _, r := range c.runners {
		cpu := func(name string) series { return c.column(name, func(s sample) float64 { return s.cpu }) }
		row := []string{r.shown(), c.rates(r.name).String(), cpu(r.name).String()}
		if r.peer != "" {
			row = append(row, cpu(r.peer).beside(cpu(r.name)).String()+" x "+r.peer)
		}
		t.add(row...)
	}
	return t
}

// swallow fetches a URL over a connection of its own and drops what comes.
func swallow(ctx context.Context, url string) (int64, error) {
	tr := &http.Transport{DisableKeepAlives: true, ReadBufferSize: 256 << 10}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, make([]byte, 256<<10))
}

// sizeName is how a size is written: 1 KiB, 1 GiB.
func sizeName(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size {
			return fmt.Sprintf("%d %s", n/u.size, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
