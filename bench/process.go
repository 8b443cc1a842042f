package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// build makes the binary that is shipped: static, without cgo.
func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "portico")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "github.com/porticod/portico/cmd/portico")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building portico: %w: %s", err, out)
	}
	return bin, nil
}

// portico is a running daemon in a folder of its own.
type portico struct {
	bin, dir string
	cmd      *exec.Cmd
	log      *bytes.Buffer
	ready    time.Duration // from exec to ready
}

func startPortico(ctx context.Context, bin, parent, config string) (*portico, error) {
	dir, err := os.MkdirTemp(parent, "run-")
	if err != nil {
		return nil, err
	}
	return startPorticoIn(ctx, bin, dir, config)
}

// startPorticoIn starts one in a folder that may hold data already.
func startPorticoIn(ctx context.Context, bin, dir, config string) (*portico, error) {
	p := &portico{bin: bin, dir: dir, log: &bytes.Buffer{}}
	if err := os.WriteFile(p.file(), []byte(config), 0o644); err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, bin, "run", p.file())
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	begun := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for {
		if b, err := p.admin("GET", "/readyz"); err == nil && strings.Contains(string(b), `"ok"`) {
			p.ready = time.Since(begun)
			return p, nil
		}
		if time.Since(begun) > 30*time.Second {
			p.stop()
			return nil, fmt.Errorf("portico was not ready within 30 s: %s", p.log)
		}
		time.Sleep(time.Millisecond)
	}
}

func (p *portico) file() string { return filepath.Join(p.dir, "config.hcl") }

func (p *portico) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// tool runs a portico command against the daemon.
func (p *portico) tool(args ...string) ([]byte, error) {
	cmd := exec.Command(p.bin, args...)
	cmd.Env = append(os.Environ(), "PORTICO_ADMIN="+filepath.Join(p.dir, "data", "admin.sock"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("portico %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return out, nil
}

// addresses maps listeners to their first address.
func (p *portico) addresses() (map[string]string, error) {
	out, err := p.tool("status", "--json")
	if err != nil {
		return nil, err
	}
	var s struct {
		Listeners []struct {
			Name      string
			Addresses []string
		}
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return nil, err
	}
	m := map[string]string{}
	for _, l := range s.Listeners {
		m[l.Name] = l.Addresses[0]
	}
	return m, nil
}

// reload returns how long the daemon itself says that it took, parsing the
// file included.
func (p *portico) reload() (time.Duration, error) {
	b, err := p.admin("POST", "/reload")
	if err != nil {
		return 0, err
	}
	var r struct {
		OK      bool
		Seconds float64
	}
	if err := json.Unmarshal(b, &r); err != nil || !r.OK {
		return 0, fmt.Errorf("reload: %w: %s", err, b)
	}
	return time.Duration(r.Seconds * float64(time.Second)), nil
}

// admin asks the daemon over its socket.
func (p *portico) admin(method, path string) ([]byte, error) {
	c := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(p.dir, "data", "admin.sock"))
	}}}
	req, err := http.NewRequest(method, "http://admin"+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}

// processState is resident memory in KiB and the number of threads, from /proc.
func processState(pid int) string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return string(b)
}

var rssLine = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func rss(pid int) float64 {
	m := rssLine.FindStringSubmatch(processState(pid))
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseFloat(m[1], 64)
	return kb
}

// goroutines reads the daemon's metrics.
func (p *portico) goroutines() (float64, error) { return p.metric("go_goroutines") }

// metric reads one that has no labels.
func (p *portico) metric(name string) (float64, error) {
	b, err := p.admin("GET", "/metrics")
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)`).FindSubmatch(b)
	if m == nil {
		return 0, fmt.Errorf("no %s in the metrics", name)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// measureIdle opens keep-alive connections that had one answer and stay, to a
// daemon that did nothing else.
func measureIdle(ctx context.Context, bin, dir, config string, n int) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "| %d idle keep-alive connections | KiB of process memory each | goroutines each |\n|---|---|---|\n", n)
	for _, l := range []string{"direct", "split"} {
		p, err := startPortico(ctx, bin, dir, config)
		if err != nil {
			return "", err
		}
		memory, goroutines, err := p.idle(l, n)
		p.stop()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %s listener | %.1f | %.2f |\n", l, memory, goroutines)
	}
	b.WriteString("\n")
	return b.String(), nil
}

// idle is what each of n connections costs in KiB and in goroutines.
func (p *portico) idle(listener string, n int) (memory, goroutines float64, err error) {
	addrs, err := p.addresses()
	if err != nil {
		return 0, 0, err
	}
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	open := func() error {
		c, err := net.Dial("tcp", addrs[listener])
		if err != nil {
			return err
		}
		conns = append(conns, c)
		_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err = c.Read(make([]byte, 4096))
		return err
	}
	// What the first connections make once is not theirs alone.
	for range 10 {
		if err := open(); err != nil {
			return 0, 0, err
		}
	}
	before, rssBefore := 0.0, rss(p.cmd.Process.Pid)
	if before, err = p.goroutines(); err != nil {
		return 0, 0, err
	}
	for range n {
		if err := open(); err != nil {
			return 0, 0, err
		}
	}
	after, err := p.goroutines()
	if err != nil {
		return 0, 0, err
	}
	return (rss(p.cmd.Process.Pid) - rssBefore) / float64(n), (after - before) / float64(n), nil
}

func listenersConfig(n int, salt string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "data_dir = \"data\"\nlog { level = \"warn\" }\nservice \"respond\" \"a\" { body = %q }\n", salt)
	for i := range n {
		fmt.Fprintf(&b, "listener \"l%d\" {\n  address = \"127.0.0.1:0\"\n  service = service.respond.a\n}\n", i)
	}
	return b.String()
}

// measureStarts: from exec to ready, and one reload that changes what every
// listener answers, as the person at the terminal waits for it.
func measureStarts(ctx context.Context, bin, dir string, o options) (string, error) {
	var b strings.Builder
	b.WriteString("| listeners | start to ready, ms | reload, as the daemon measures it, ms | the same, as the caller on the admin socket waits, ms | resident memory, MiB |\n|---|---|---|---|---|\n")
	for _, n := range []int{1, 100, 1000} {
		var starts, reloads, commands, memory []float64
		for range o.rounds {
			p, err := startPortico(ctx, bin, dir, listenersConfig(n, "one"))
			if err != nil {
				return "", err
			}
			starts = append(starts, ms(p.ready))
			memory = append(memory, rss(p.cmd.Process.Pid)/1024)
			if err := os.WriteFile(p.file(), []byte(listenersConfig(n, "two")), 0o644); err != nil {
				return "", err
			}
			begun := time.Now()
			took, err := p.reload()
			reloads = append(reloads, ms(took))
			commands = append(commands, ms(time.Since(begun)))
			p.stop()
			if err != nil {
				return "", err
			}
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %.1f |\n", n, spread(starts), spread(reloads), spread(commands), median(memory))
	}
	b.WriteString("\n")
	return b.String(), nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// spread is the median with the lowest and highest.
func spread(v []float64) string {
	return fmt.Sprintf("%.1f (%.1f – %.1f)", median(v), slices.Min(v), slices.Max(v))
}
