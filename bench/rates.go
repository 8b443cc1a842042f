package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answer is what every measured server answers: 1 KiB.
var answer = strings.Repeat("x", 1024)

const ratesConfig = `
data_dir = "data"
log {
  level = "warn"
  access { off = true }
}
service "respond" "kib" { body = %q }
service "echo" "raw" {}
listener "direct" {
  address = "127.0.0.1:0"
  service = service.respond.kib
}
listener "split" {
  address = "127.0.0.1:0"
  route {
    protocol = "ssh"
    service  = service.echo.raw
  }
  service = service.respond.kib
}
`

// measureRates drives bare net/http, a direct and a split listener in turn.
func measureRates(ctx context.Context, bin, dir string, o options) (string, error) {
	p, err := startPortico(ctx, bin, dir, fmt.Sprintf(ratesConfig, answer))
	if err != nil {
		return "", err
	}
	defer p.stop()
	bareAddr, stopBare, err := startBare(ctx)
	if err != nil {
		return "", err
	}
	defer stopBare()
	addrs, err := p.addresses()
	if err != nil {
		return "", err
	}
	servers := []struct{ name, addr string }{{"bare net/http", bareAddr}, {"direct listener", addrs["direct"]}, {"split listener", addrs["split"]}}

	var b strings.Builder
	for _, row := range []struct {
		title string
		args  []string
	}{
		{"requests a second, keep-alive, 1 KiB", nil},
		{"connections a second, one request each, 1 KiB", []string{"-H", "Connection: close"}},
	} {
		rates := make([][]float64, len(servers))
		for range o.rounds {
			for i, s := range servers {
				r, err := wrk(ctx, s.addr, o.each, row.args...)
				if err != nil {
					return "", err
				}
				rates[i] = append(rates[i], r)
			}
		}
		fmt.Fprintf(&b, "| %s | median | lowest – highest | beside bare | beside direct |\n|---|---|---|---|---|\n", row.title)
		for i, s := range servers {
			fmt.Fprintf(&b, "| %s | %.0f | %.0f – %.0f | %.2f | %s |\n", s.name, median(rates[i]), slices.Min(rates[i]), slices.Max(rates[i]),
				ratio(rates[i], rates[0]), ifElse(i == 2, fmt.Sprintf("%.2f", ratio(rates[i], rates[1])), ""))
		}
		b.WriteString("\n")
	}
	idle, err := measureIdle(ctx, bin, dir, fmt.Sprintf(ratesConfig, answer), o.idle)
	if err != nil {
		return "", err
	}
	b.WriteString(idle)
	return b.String(), nil
}

// ratio is the median of the rounds' ratios: what was measured next to each
// other is compared with each other.
func ratio(a, b []float64) float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return median(r)
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func ifElse(c bool, a, b string) string {
	if c {
		return a
	}
	return b
}

var rateLine = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

// wrk is the load: one thread, 32 connections.
func wrk(ctx context.Context, addr string, d time.Duration, args ...string) (float64, error) {
	args = append([]string{"-t1", "-c32", fmt.Sprintf("-d%ds", int(d.Seconds()))}, append(args, "http://"+addr+"/")...)
	out, err := exec.CommandContext(ctx, "wrk", args...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk (Debian package wrk): %w: %s", err, out)
	}
	m := rateLine.FindSubmatch(out)
	if m == nil || strings.Contains(string(out), "Non-2xx") {
		return 0, fmt.Errorf("wrk on %s: %s", addr, out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// serveBare is the peer: net/http alone. It prints its address, and answers
// /goroutines and /rss for the memory row.
func serveBare(ctx context.Context) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	body := []byte(answer)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/state", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, processState(os.Getpid())) })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(ln); err != http.ErrServerClosed { //nolint:errorlint // Serve returns it bare
		return err
	}
	return nil
}

func startBare(ctx context.Context) (addr string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-bare")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	if _, err := fmt.Fscanln(stdout, &addr); err != nil {
		stop()
		return "", nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return addr, stop, nil
}
