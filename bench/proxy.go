package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// streamSize is what is moved in one answer where CPU time is counted for each GB.
const streamSize = 1 << 30

const proxyConfig = `
data_dir = "data"
log {
  level = "warn"
  access { off = true }
}
service "proxy" "p" { upstreams = ["http://%[1]s"] }
service "tcp" "t" { upstreams = [%[1]q] }
listener "http" {
  address = "127.0.0.1:0"
  service = service.proxy.p
}
listener "tcp" {
  address = "127.0.0.1:0"
  service = service.tcp.t
}
`

// What a packaged nginx comes with, and what its manual says of upstreams that
// keep connections.
const nginxProxyConfig = `
%[5]s
user root;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  upstream b {
    server %[2]s;
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen %[3]s;
    location / {
      proxy_pass http://b;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_max_temp_file_size 0;
    }
  }
}
stream {
  server {
    listen %[4]s;
    proxy_pass %[2]s;
  }
}
`

const haproxyConfig = `
global
  maxconn 4096
defaults
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  option splice-auto
frontend http
  mode http
  option forwardfor
  bind %[2]s
  default_backend http
backend http
  mode http
  http-reuse always
  server b %[1]s
listen tcp
  mode tcp
  bind %[3]s
  server b %[1]s
`

// The server behind all of them.
const backendConfig = `
user root;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  sendfile on;
  tcp_nopush on;
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server {
    listen %[2]s;
    root %[1]s/root;
  }
}
`

// runProxy measures the HTTP proxy and the relay beside nginx and HAProxy, in
// turn, all in front of the same server, and returns the tables.
func runProxy(ctx context.Context, o options) (string, error) {
	dir, err := os.MkdirTemp("", "portico-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	targets, stop, err := startProxies(ctx, dir)
	defer stop()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s on %d cores shared with the load and the server behind, %s, nginx %s, HAProxy %s. Load average before: %s.\n\n",
		time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.Version(), nginxVersion(ctx), haproxyVersion(ctx), loadAverage())
	for _, row := range []struct {
		title, file string
		size        int
		args        []string
	}{
		{"1 KiB, keep-alive", "/1k", 1 << 10, nil},
		{"100 KiB, keep-alive", "/100k", 100 << 10, nil},
		{"1 KiB, a connection for each request", "/1k", 1 << 10, []string{"-H", "Connection: close"}},
		{"100 KiB, a connection for each request", "/100k", 100 << 10, []string{"-H", "Connection: close"}},
	} {
		samples := make([][]sample, len(targets))
		for range o.rounds {
			for i, t := range targets {
				t.url += row.file
				s, err := t.measure(ctx, o.each, row.size, row.args...)
				if err != nil {
					return "", err
				}
				samples[i] = append(samples[i], s)
			}
		}
		proxyTable(&b, row.title, targets, samples, row.size)
	}
	if err := streamTable(ctx, &b, targets, o.rounds); err != nil {
		return "", err
	}
	return b.String(), nil
}

// The places of peers among the targets.
const (
	directTarget = 0
	haproxyHTTP  = 2
	haproxyTCP   = 5
)

// peers are the targets of nginx and HAProxy that do the same as target i.
func peers(i int) (nginx, haproxy int) {
	if i <= haproxyHTTP+1 {
		return 1, haproxyHTTP
	}
	return 4, haproxyTCP
}

func proxyTable(b *strings.Builder, title string, targets []target, samples [][]sample, size int) {
	fmt.Fprintf(b, "| %s | requests a second | lowest – highest | beside direct | beside nginx | beside HAProxy | p99, ms | CPU, µs a request |\n|---|---|---|---|---|---|---|---|\n", title)
	rates := func(i int) []float64 { return column(samples[i], func(s sample) float64 { return s.rate }) }
	for i, t := range targets {
		r := rates(i)
		fmt.Fprintf(b, "| %s | %.0f | %.0f – %.0f | %.2f |", t.name, median(r), slices.Min(r), slices.Max(r), ratio(r, rates(directTarget)))
		if i == directTarget {
			b.WriteString(" | |")
		} else {
			n, h := peers(i)
			fmt.Fprintf(b, " %s | %s |", spread2(quotients(r, rates(n))), spread2(quotients(r, rates(h))))
		}
		fmt.Fprintf(b, " %.2f | %.1f |\n", median(column(samples[i], func(s sample) float64 { return s.p99 })),
			median(column(samples[i], func(s sample) float64 { return s.cpu * float64(size) / 1e3 })))
	}
	b.WriteString("\n")
}

// spread2 is the median of ratios with the lowest and highest.
func spread2(v []float64) string {
	return fmt.Sprintf("%.2f (%.2f – %.2f)", median(v), slices.Min(v), slices.Max(v))
}

// streamTable moves one answer of 1 GiB through each.
func streamTable(ctx context.Context, b *strings.Builder, targets []target, rounds int) error {
	cpu, rate := make([][]float64, len(targets)), make([][]float64, len(targets))
	for range rounds {
		for i, t := range targets {
			before, begun := cpuSeconds(t.pid), time.Now()
			n, err := swallow(ctx, t.url+"/1g")
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			rate[i] = append(rate[i], float64(n)/1e9/time.Since(begun).Seconds())
			cpu[i] = append(cpu[i], (cpuSeconds(t.pid)-before)/(float64(n)/1e9))
		}
	}
	b.WriteString("| one answer of 1 GiB | GB a second | CPU seconds for each GB | lowest – highest |\n|---|---|---|---|\n")
	for i, t := range targets {
		fmt.Fprintf(b, "| %s | %.2f | %.2f | %.2f – %.2f |\n", t.name, median(rate[i]), median(cpu[i]), slices.Min(cpu[i]), slices.Max(cpu[i]))
	}
	b.WriteString("\n")
	return nil
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
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, make([]byte, 256<<10))
	if err == nil && n != streamSize {
		err = fmt.Errorf("%d bytes came, not %d", n, streamSize)
	}
	return n, err
}

// startProxies starts the server and all that is measured in front of it. stop
// is never nil.
func startProxies(ctx context.Context, dir string) (targets []target, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, f := range slices.Backward(stops) {
			f()
		}
	}
	var addrs [5]string // of the backend, nginx twice and HAProxy twice
	for i := range addrs {
		if addrs[i], err = freeAddr(); err != nil {
			return nil, stop, err
		}
	}
	root := filepath.Join(dir, "backend", "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, stop, err
	}
	for name, size := range map[string]int64{"1k": 1 << 10, "100k": 100 << 10, "1g": streamSize} {
		if err := errFirst(os.WriteFile(filepath.Join(root, name), nil, 0o644), os.Truncate(filepath.Join(root, name), size)); err != nil {
			return nil, stop, err
		}
	}
	start := func(name, config, addr string, command ...string) int {
		if err != nil {
			return 0
		}
		var cmd *exec.Cmd
		if cmd, err = startServer(ctx, filepath.Join(dir, name), config, addr, command...); err != nil {
			return 0
		}
		stops = append(stops, func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
		return cmd.Process.Pid
	}
	nginx := []string{"nginx", "-g", "daemon off;", "-c"}
	backend := start("backend", fmt.Sprintf(backendConfig, filepath.Join(dir, "backend"), addrs[0]), addrs[0], nginx...)
	n := start("nginx", fmt.Sprintf(nginxProxyConfig, filepath.Join(dir, "nginx"), addrs[0], addrs[1], addrs[2], nginxStream()), addrs[2], nginx...)
	h := start("haproxy", fmt.Sprintf(haproxyConfig, addrs[0], addrs[3], addrs[4]), addrs[4], "haproxy", "-db", "-q", "-f")
	if err != nil {
		return nil, stop, err
	}
	bin, err := build(ctx, dir)
	if err != nil {
		return nil, stop, err
	}
	p, err := startPortico(ctx, bin, dir, fmt.Sprintf(proxyConfig, addrs[0]))
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, p.stop)
	own, err := p.addresses()
	pid := p.cmd.Process.Pid
	return []target{
		{"direct", "http://" + addrs[0], backend},
		{"nginx http", "http://" + addrs[1], n},
		{"HAProxy http", "http://" + addrs[3], h},
		{"**portico proxy**", "http://" + own["http"], pid},
		{"nginx stream", "http://" + addrs[2], n},
		{"HAProxy tcp", "http://" + addrs[4], h},
		{"**portico tcp**", "http://" + own["tcp"], pid},
	}, stop, err
}

func errFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// startServer runs a command whose last argument is its config file, in a folder
// of its own, and waits until it listens.
func startServer(ctx context.Context, dir, config, addr string, command ...string) (*exec.Cmd, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, command[0], append(command[1:], file)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s (Debian packages nginx-light, libnginx-mod-stream, haproxy): %w", command[0], err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			return cmd, c.Close()
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return nil, fmt.Errorf("%s does not answer on %s", command[0], addr)
		}
	}
}

// nginxStream is the line that loads the module, where it is one.
func nginxStream() string {
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(module); err == nil {
		return "load_module " + module + ";"
	}
	return ""
}

func haproxyVersion(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, "haproxy", "-v").Output()
	_, v, _ := strings.Cut(string(out), "version ")
	v, _, _ = strings.Cut(v, "-")
	return v
}
