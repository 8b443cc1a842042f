package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const picturesConfig = `
data_dir = "data"
log {
  level = "warn"
  access { off = true }
}
service "images" "gallery" { root = "../pictures" }
listener "gallery" {
  address = "127.0.0.1:0"
  service = service.images.gallery
}
`

// picturesWide is the width that is asked for, a step of the ladder.
const picturesWide = 1080

// runPictures measures what portico makes of pictures of 12 megapixels that
// nobody asked for before, beside vipsthumbnail, which has no HTTP to do.
func runPictures(ctx context.Context, count int) (string, error) {
	dir, err := os.MkdirTemp("", "portico-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	bin, err := build(ctx, dir)
	if err != nil {
		return "", err
	}
	names, size, err := writePhotos(filepath.Join(dir, "pictures"), count)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s on %d cores shared with the load, %s, %s/%s. %d JPEGs of 4032 x 3024 pixels, %.1f MB each, to %d pixels wide, quality 86, which gives about the SSIM of libvips' 82.\n\n",
		time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, count, float64(size)/1e6, picturesWide)
	b.WriteString("| | pictures a second | p50, ms | p99, ms | CPU ms per picture | peak memory, MiB |\n|---|---|---|---|---|---|\n")
	for _, clients := range []int{1, runtime.NumCPU(), 8, 64} {
		m, err := measurePictures(ctx, bin, dir, names, clients)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| portico, %d at a time | %s\n", clients, m)
	}
	if _, err := exec.LookPath("vipsthumbnail"); err == nil {
		m, err := measureVips(ctx, dir, names)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| vipsthumbnail, %d processes | %s\n", runtime.NumCPU(), m)
	}
	b.WriteString("\nMemory is that of the daemon and its workers together. vipsthumbnail decodes, resizes and encodes the same files in turn, from disk to disk.\n")
	return b.String(), nil
}

// A transformRate is a row of the table.
type transformRate struct {
	rate, p50, p99, cpu, memory float64
}

func (m transformRate) String() string {
	show := func(v float64) string {
		if v == 0 {
			return "–"
		}
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f | %s | %s | %.0f | %.0f |", m.rate, show(m.p50), show(m.p99), m.cpu, m.memory)
}

// measurePictures asks a fresh daemon for every picture once.
func measurePictures(ctx context.Context, bin, dir string, names []string, clients int) (m transformRate, err error) {
	p, err := startPortico(ctx, bin, dir, picturesConfig)
	if err != nil {
		return m, err
	}
	defer p.stop()
	addrs, err := p.addresses()
	if err != nil {
		return m, err
	}
	pid := p.cmd.Process.Pid
	watch, stop := context.WithCancel(ctx)
	var family familyUse
	done := make(chan struct{})
	go func() {
		defer close(done)
		family.watch(watch, pid)
	}()
	took := make([]time.Duration, len(names))
	begun := time.Now()
	err = each(len(names), clients, func(i int) error {
		at := time.Now()
		defer func() { took[i] = time.Since(at) }()
		return getPicture(ctx, fmt.Sprintf("http://%s/%s?w=%d&fmt=jpeg", addrs["gallery"], names[i], picturesWide))
	})
	all := time.Since(begun)
	stop()
	<-done
	if err != nil {
		return m, fmt.Errorf("%w: %s", err, p.log)
	}
	slices.Sort(took)
	return transformRate{
		rate: float64(len(names)) / all.Seconds(),
		p50:  ms(took[len(took)/2]), p99: ms(took[len(took)*99/100]),
		cpu:    ms(family.cpu()) / float64(len(names)),
		memory: family.peak / 1024,
	}, nil
}

func getPicture(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	var b []byte
	for {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		b, err = io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return err
		}
		if res.StatusCode == http.StatusOK {
			break
		}
		if res.StatusCode != http.StatusServiceUnavailable {
			return fmt.Errorf("%s: %s", url, res.Status)
		}
		time.Sleep(time.Second) // a slow machine: it says when to try again
	}
	if cfg, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil || cfg.Width != picturesWide {
		return fmt.Errorf("%s: %d wide, %w", url, cfg.Width, err)
	}
	return nil
}

// each calls fn for 0 to n-1 from so many goroutines.
func each(n, workers int, fn func(i int) error) error {
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

// familyUse is what a process and its children use.
type familyUse struct {
	peak   float64 // KiB resident together, at most
	before float64 // CPU ticks at the beginning
	ticks  map[int]float64
}

func (f *familyUse) watch(ctx context.Context, pid int) {
	f.ticks = map[int]float64{}
	f.before = cpuTicks(pid)
	for ctx.Err() == nil {
		f.look(pid)
		time.Sleep(10 * time.Millisecond)
	}
	f.look(pid)
}

func (f *familyUse) look(pid int) {
	sum := rss(pid)
	f.ticks[pid] = cpuTicks(pid)
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, t := range tasks {
		b, _ := os.ReadFile(t)
		for _, s := range strings.Fields(string(b)) {
			child, _ := strconv.Atoi(s)
			sum += rss(child)
			f.ticks[child] = max(f.ticks[child], cpuTicks(child))
		}
	}
	f.peak = max(f.peak, sum)
}

// cpu is the CPU time of all while they were watched.
func (f *familyUse) cpu() time.Duration {
	sum := -f.before
	for _, t := range f.ticks {
		sum += t
	}
	return time.Duration(sum * 10 * float64(time.Millisecond)) // 100 ticks a second, as everywhere
}

// cpuTicks is the CPU time of a process itself, from /proc/PID/stat.
func cpuTicks(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return user + system
}

// measureVips has as many processes as there are cores make the same pictures.
func measureVips(ctx context.Context, dir string, names []string) (m transformRate, err error) {
	out := filepath.Join(dir, "vips")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return m, err
	}
	n := runtime.NumCPU()
	var mu sync.Mutex
	var cpu time.Duration
	begun := time.Now()
	err = each(n, n, func(i int) error {
		args := []string{"--size", fmt.Sprintf("%dx", picturesWide), "-o", out + "/%s.jpg[Q=82]"}
		for j := i; j < len(names); j += n {
			args = append(args, filepath.Join(dir, "pictures", names[j]))
		}
		cmd := exec.CommandContext(ctx, "vipsthumbnail", args...)
		cmd.Env = append(os.Environ(), "VIPS_CONCURRENCY=1")
		if b, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("vipsthumbnail: %w: %s", err, b)
		}
		mu.Lock()
		defer mu.Unlock()
		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		m.memory += peakOf(cmd.ProcessState)
		return nil
	})
	m.rate = float64(len(names)) / time.Since(begun).Seconds()
	m.cpu = ms(cpu) / float64(len(names))
	return m, err
}

// writePhotos writes n files that look like photos to a decoder: detail at every
// scale, edges, noise.
func writePhotos(dir string, n int) (names []string, size int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, 0, err
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, photo(4032, 3024), &jpeg.Options{Quality: 90}); err != nil {
		return nil, 0, err
	}
	for i := range n {
		name := fmt.Sprintf("photo-%03d.jpg", i)
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			return nil, 0, err
		}
		names = append(names, name)
	}
	return names, b.Len(), nil
}

// octaves of noise make a photo; the coarsest has cells of 1 << octaves pixels.
const octaves = 9

func photo(w, h int) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	seed := uint32(7)
	random := func() float32 {
		seed ^= seed << 13
		seed ^= seed >> 17
		seed ^= seed << 5
		return float32(seed)/(1<<31) - 1
	}
	var grids [octaves][]float32
	for o := range grids {
		grids[o] = make([]float32, (w>>(octaves-o)+3)*(h>>(octaves-o)+3))
		for i := range grids[o] {
			grids[o][i] = random()
		}
	}
	at := func(x, y int) (sum float32) {
		amp := float32(60)
		for o, g := range grids {
			shift := octaves - o
			cell, wide := 1<<shift, w>>shift+3
			fx, fy := float32(x&(cell-1))/float32(cell), float32(y&(cell-1))/float32(cell)
			g = g[(y>>shift)*wide+x>>shift:]
			top := g[0] + (g[1]-g[0])*fx
			bottom := g[wide] + (g[wide+1]-g[wide])*fx
			sum += amp * (top + (bottom-top)*fy)
			amp *= 0.7
		}
		return sum
	}
	byteOf := func(v float32) uint8 { return uint8(max(0, min(255, math.Round(float64(v))))) }
	for i := range m.Y {
		x, y := i%m.YStride, i/m.YStride
		v := 128 + at(x, y)
		if (x*7/w+y*5/h)%3 == 0 {
			v = v*0.6 + 90
		}
		m.Y[i] = byteOf(v + random()*9)
	}
	for i := range m.Cb {
		x, y := i%m.CStride, i/m.CStride
		m.Cb[i], m.Cr[i] = byteOf(128+at(x, h-1-y)/2), byteOf(128+at(w-1-x, y)/2)
	}
	return m
}
