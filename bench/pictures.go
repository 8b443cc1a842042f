package main

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// picturesWide is the width that is asked for, a step of the ladder; picturesHigh
// comes of it.
const picturesWide, picturesHigh = 1080, 810

func picturesConfig(root string) string {
	return fmt.Sprintf("service \"images\" \"gallery\" {\n  root    = %q\n  reserve = 0\n}\n", root) + listener("gallery", "images.gallery")
}

// pictureCount is how many pictures one measurement makes. A worker's first one takes
// four times as long as the others.
func pictureCount(b *bench) int { return pick(b, 60, 24) }

// pictureClients are how many ask at once.
func pictureClients() []int {
	n := []int{1, runtime.NumCPU(), 8, 64}
	slices.Sort(n)
	return slices.Compact(n)
}

func picturesTakes(b *bench) time.Duration {
	n, rows := time.Duration(pictureCount(b)), time.Duration(len(pictureClients()))
	each := 2*n*time.Second/18 + (rows-1)*n*time.Second/30 // vipsthumbnail, and one at a time, have less
	return 6*time.Second + time.Duration(b.rounds)*(each+(rows+1)*200*time.Millisecond)
}

// runPictures measures what portico makes of pictures of 12 megapixels that
// nobody asked for before, beside vipsthumbnail, which has no HTTP to do.
func runPictures(ctx context.Context, b *bench, r *report) error {
	in := filepath.Join(b.dir, "pictures")
	names, photo, err := writePhotos(in, pictureCount(b))
	if err != nil {
		return err
	}
	own, quality, peer, err := equalQuality(ctx, b, in, names[0], photo)
	if err != nil {
		return err
	}
	r.say("%d JPEGs of %d x %d pixels, %.1f MB each, to %d pixels wide. Portico's own quality has an SSIM of %.4f against a Lanczos filter over all pixels; vipsthumbnail has %.4f at Q=%d, its lowest that is not below.",
		len(names), photoWide, photoHigh, float64(len(photo))/1e6, picturesWide, own, peer, quality)
	vips := fmt.Sprintf("vipsthumbnail, %d at a time", runtime.NumCPU())
	var mu sync.Mutex
	memory := map[string]series{}
	remember := func(name string, mib float64) {
		mu.Lock()
		defer mu.Unlock()
		memory[name] = append(memory[name], mib)
	}
	runners := []runner{{name: vips, measure: func(ctx context.Context, _ time.Duration) (sample, error) {
		begun := time.Now()
		cpu, mib, err := vipsMakes(ctx, in, filepath.Join(b.dir, "vips"), names, quality)
		remember(vips, mib)
		n := float64(len(names))
		return sample{rate: n / time.Since(begun).Seconds(), cpu: cpu.Seconds() / n}, err
	}}}
	for _, clients := range pictureClients() {
		name := fmt.Sprintf("portico, %d at a time", clients)
		runners = append(runners, runner{name: name, peer: vips, measure: func(ctx context.Context, _ time.Duration) (sample, error) {
			s, mib, err := makeAll(ctx, b, in, names, clients)
			remember(name, mib)
			return s, err
		}})
	}
	c, err := b.compete(ctx, "12 MP to 1080", runners)
	if err != nil {
		return err
	}
	t := newTable("", "pictures a second", "beside vipsthumbnail", "p50, ms", "p99, ms", "CPU ms for each", "CPU beside vipsthumbnail", "peak memory, MiB")
	beside := &chart{title: "12 MP JPEG to 1080, beside vipsthumbnail at equal SSIM", marks: []mark{{1, "vipsthumbnail"}}}
	for _, run := range c.runners {
		name, p50, p99 := run.name, "–", "–" // vipsthumbnail answers nobody
		if run.peer != "" {
			name = "**" + name + "**"
			p50 = number(c.column(run.name, func(s sample) float64 { return s.p50 }).median())
			p99 = number(c.p99s(run.name).median())
		}
		t.add(name, c.rates(run.name).String(), c.rates(run.name).beside(c.rates(vips)).String(), p50, p99,
			c.cpus(run.name).times(1e-3).String(), c.cpus(run.name).beside(c.cpus(vips)).String(), memory[run.name].String())
		if run.peer != "" {
			beside.add("pictures a second", run.name, c.rates(run.name).beside(c.rates(vips)), false)
		}
	}
	r.table(t)
	r.plot("rates", beside)
	r.say("Memory is that of the daemon and its workers together. vipsthumbnail decodes, resizes and encodes the same files in turn, from disk to disk.")
	r.reach("pictures", "8 at a time", c.rates("portico, 8 at a time").beside(c.rates(vips)))
	return nil
}

// equalQuality says how near portico's picture is to the reference, and which
// quality of vipsthumbnail is as near.
func equalQuality(ctx context.Context, b *bench, in, name string, photo []byte) (own float64, quality int, peer float64, err error) {
	whole, err := decodePlane(photo)
	if err != nil {
		return 0, 0, 0, err
	}
	reference := whole.shrink(picturesWide, picturesHigh)
	p, err := startPortico(ctx, b, picturesConfig(in))
	if err != nil {
		return 0, 0, 0, err
	}
	defer p.stop()
	made, err := getPicture(ctx, p.pictureURL(name))
	if err != nil {
		return 0, 0, 0, fmt.Errorf("%w: %s", err, p.log)
	}
	m, err := decodePlane(made)
	if err != nil {
		return 0, 0, 0, err
	}
	if m.w != reference.w || m.h != reference.h {
		return 0, 0, 0, fmt.Errorf("portico made %d x %d, not %d x %d", m.w, m.h, reference.w, reference.h)
	}
	own = ssim(reference, m)
	quality, peer, err = vipsQuality(ctx, b.dir, in, name, reference, own)
	return own, quality, peer, err
}

func (p *portico) pictureURL(name string) string {
	return fmt.Sprintf("http://%s/%s?w=%d&fmt=jpeg", p.addrs["gallery"], name, picturesWide)
}

// makeAll asks a fresh daemon for every picture once.
func makeAll(ctx context.Context, b *bench, in string, names []string, clients int) (s sample, peak float64, err error) {
	p, err := startPortico(ctx, b, picturesConfig(in))
	if err != nil {
		return s, 0, err
	}
	defer p.stop()
	stop := watchMemory(p.pid(), &peak)
	took := make([]time.Duration, len(names))
	before, begun := cpuSeconds(p.pid()), time.Now()
	err = eachOf(len(names), clients, func(i int) error {
		at := time.Now()
		defer func() { took[i] = time.Since(at) }()
		_, err := getPicture(ctx, p.pictureURL(names[i]))
		return err
	})
	all, used := time.Since(begun), cpuSeconds(p.pid())-before
	stop()
	if err != nil {
		return s, 0, fmt.Errorf("%w: %s", err, p.log)
	}
	slices.Sort(took)
	n := float64(len(names))
	return sample{rate: n / all.Seconds(), p50: percentile(took, .5), p99: percentile(took, .99), cpu: used / n}, peak, nil
}

// watchMemory keeps the most that a process and its children had resident at
// once, in MiB, until stop is called.
func watchMemory(pid int, peak *float64) (stop func()) {
	ending, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			*peak = max(*peak, rss(pid)/1024)
			select {
			case <-ending:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(ending)
		<-done
	}
}

// getPicture fetches one that is as wide as it was asked for.
func getPicture(ctx context.Context, url string) ([]byte, error) {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		switch {
		case err != nil:
			return nil, err
		case res.StatusCode == http.StatusServiceUnavailable: // a slow machine: it says when to try again
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(time.Second):
				continue
			}
		case res.StatusCode != http.StatusOK:
			return nil, fmt.Errorf("%s: %s", url, res.Status)
		}
		cfg, err := jpeg.DecodeConfig(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", url, err)
		}
		if cfg.Width != picturesWide {
			return nil, fmt.Errorf("%s: %d wide, not %d", url, cfg.Width, picturesWide)
		}
		return b, nil
	}
}

// eachOf calls fn for 0 to n-1 from so many goroutines.
func eachOf(n, workers int, fn func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := fn(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}
