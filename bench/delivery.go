package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const deliveryConfig = `
data_dir = "data"
log {
  level = "warn"
  access { off = true }
}
service "images" "i" {
  root    = %[1]q
  reserve = 0
}
service "static" "s" { root = %[1]q }
listener "images" {
  address = "127.0.0.1:0"
  service = service.images.i
}
listener "static" {
  address = "127.0.0.1:0"
  service = service.static.s
}
listener "images-tls" {
  address = "127.0.0.1:0"
  service = service.images.i
  tls {
    certificate {
      file = %[2]q
      key  = %[3]q
    }
  }
}
listener "static-tls" {
  address = "127.0.0.1:0"
  service = service.static.s
  tls {
    certificate {
      file = %[2]q
      key  = %[3]q
    }
  }
}
`

// kib are the sizes of the pictures that are delivered.
var kib = []int{1, 40, 200, 1024}

// A sample is one measurement of one server.
type sample struct{ rate, p99, cpu float64 } // answers a second, ms, seconds for each GB

// runDelivery measures portico beside nginx, in turn, and returns the tables.
func runDelivery(ctx context.Context, o options) (string, error) {
	dir, err := os.MkdirTemp("", "portico-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	bin, err := build(ctx, dir)
	if err != nil {
		return "", err
	}
	cert, key, err := writeCertificate(dir)
	if err != nil {
		return "", err
	}
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", err
	}
	p, err := startPortico(ctx, bin, dir, fmt.Sprintf(deliveryConfig, root, cert, key))
	if err != nil {
		return "", err
	}
	defer p.stop()
	addrs, err := p.addresses()
	if err != nil {
		return "", err
	}
	sizes, err := makePictures(root, addrs["images"])
	if err != nil {
		return "", fmt.Errorf("make pictures: %w", err)
	}
	n, err := startNginx(ctx, dir, root, cert, key)
	if err != nil {
		return "", err
	}
	defer n.stop()
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s on %d cores shared with the load, %s, nginx %s. Load average before: %s.\n\n",
		time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.Version(), nginxVersion(ctx), loadAverage())
	for _, tls := range []bool{false, true} {
		if err := deliveryTable(ctx, &b, o, tls, addrs, p.cmd.Process.Pid, n, sizes); err != nil {
			return "", err
		}
	}
	fmt.Fprintf(&b, "Peak memory of all of it together: portico %.0f MiB, nginx %.0f MiB.\n\n", peakMemory(p.cmd.Process.Pid), peakMemory(n.cmd.Process.Pid))
	return b.String(), nil
}

// A target is one address that is measured.
type target struct {
	name, url string
	pid       int
}

func deliveryTable(ctx context.Context, b *strings.Builder, o options, tls bool, addrs map[string]string, pid int, n *nginx, sizes []int) error {
	title, scheme, suffix, peer := "plain HTTP", "http://", "", n.plain
	if tls {
		title, scheme, suffix, peer = "TLS 1.3", "https://", "-tls", n.tls
	}
	fmt.Fprintf(b, "| %s | pictures a second | lowest – highest | beside nginx | lowest – highest | p99, ms | server's CPU seconds for each GB |\n|---|---|---|---|---|---|---|\n", title)
	for i, k := range kib {
		file := fmt.Sprintf("/made-%d.jpg", k)
		targets := []target{
			{"nginx", scheme + peer + file, n.cmd.Process.Pid},
			{"images, a version", fmt.Sprintf("%s%s/from-%d.jpg?w=%d", scheme, addrs["images"+suffix], k, madeWidth), pid},
			{"images, as it is", scheme + addrs["images"+suffix] + file, pid},
			{"static", scheme + addrs["static"+suffix] + file, pid},
		}
		samples := make([][]sample, len(targets))
		for range o.rounds {
			for j, t := range targets {
				s, err := t.measure(ctx, o.each, sizes[i])
				if err != nil {
					return err
				}
				samples[j] = append(samples[j], s)
			}
		}
		fmt.Fprintf(b, "| **%d KiB** (%d bytes) | | | | | | |\n", k, sizes[i])
		rates := func(j int) []float64 { return column(samples[j], func(s sample) float64 { return s.rate }) }
		for j, t := range targets {
			r, beside := rates(j), quotients(rates(j), rates(0))
			fmt.Fprintf(b, "| %s | %.0f | %.0f – %.0f | %.2f | %.2f – %.2f | %.2f | %.2f |\n", t.name, median(r), slices.Min(r), slices.Max(r),
				median(beside), slices.Min(beside), slices.Max(beside),
				median(column(samples[j], func(s sample) float64 { return s.p99 })), median(column(samples[j], func(s sample) float64 { return s.cpu })))
		}
	}
	b.WriteString("\n")
	return nil
}

func column(in []sample, f func(sample) float64) (out []float64) {
	for _, s := range in {
		out = append(out, f(s))
	}
	return out
}

func quotients(a, b []float64) (out []float64) {
	for i := range a {
		out = append(out, a[i]/b[i])
	}
	return out
}

var (
	p99Line   = regexp.MustCompile(`99%\s+([0-9.]+)(us|ms|s)`)
	totalLine = regexp.MustCompile(`(\d+) requests in`)
)

// measure drives one address with wrk: one thread, 32 connections.
func (t target) measure(ctx context.Context, d time.Duration, size int, args ...string) (sample, error) {
	before := cpuSeconds(t.pid)
	args = append([]string{"-t1", "-c32", "--latency", fmt.Sprintf("-d%ds", int(d.Seconds()))}, append(args, t.url)...)
	out, err := exec.CommandContext(ctx, "wrk", args...).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk (Debian package wrk): %w: %s", err, out)
	}
	used := cpuSeconds(t.pid) - before
	rate, p99, total := rateLine.FindSubmatch(out), p99Line.FindSubmatch(out), totalLine.FindSubmatch(out)
	if rate == nil || p99 == nil || total == nil || strings.Contains(string(out), "Non-2xx") {
		return sample{}, fmt.Errorf("wrk on %s: %s", t.url, out)
	}
	var s sample
	s.rate, _ = strconv.ParseFloat(string(rate[1]), 64)
	s.p99, _ = strconv.ParseFloat(string(p99[1]), 64)
	s.p99 *= map[string]float64{"us": 1e-3, "ms": 1, "s": 1e3}[string(p99[2])]
	answers, _ := strconv.ParseFloat(string(total[1]), 64)
	s.cpu = used / (answers * float64(size) / 1e9)
	return s, nil
}

// madeWidth is how wide the measured versions are: a step of the ladder.
const madeWidth = 640

// makePictures has portico make a version of each size and stores it beside the
// sources, so that every server delivers the same bytes. It returns their sizes.
func makePictures(root, addr string) ([]int, error) {
	var sizes []int
	for _, k := range kib {
		rows, amplitude := 400, 100
		if k == 1 {
			rows, amplitude = 100, 0
		}
		var body []byte
		for range 6 { // each time nearer, by the bytes that a row takes
			m := noise(2*madeWidth, 2*rows, amplitude)
			var b bytes.Buffer
			if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
				return nil, err
			}
			if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("from-%d.jpg", k)), b.Bytes(), 0o644); err != nil {
				return nil, err
			}
			var err error
			if body, err = fetch(fmt.Sprintf("http://%s/from-%d.jpg?w=%d", addr, k, madeWidth)); err != nil {
				return nil, err
			}
			if off := float64(len(body)) / float64(k<<10); off < 0.97 || off > 1.03 {
				rows = max(8, int(float64(rows)/off))
				continue
			}
			break
		}
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("made-%d.jpg", k)), body, 0o644); err != nil {
			return nil, err
		}
		sizes = append(sizes, len(body))
	}
	return sizes, nil
}

// noise is a picture that does not compress well.
func noise(w, h, amplitude int) image.Image {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			n := uint8(128)
			if amplitude > 0 {
				n += uint8(r.IntN(2*amplitude) - amplitude)
			}
			m.SetRGBA(x, y, color.RGBA{n, n, 128, 255})
		}
	}
	return m
}

func fetch(url string) ([]byte, error) {
	res, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, res.Status, body)
	}
	return body, err
}

func nginxVersion(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, "nginx", "-v").CombinedOutput()
	_, v, _ := strings.Cut(strings.TrimSpace(string(out)), "nginx/")
	return v
}
