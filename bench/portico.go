package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// build makes the binary that is shipped: static, without cgo.
func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "portico")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "github.com/porticod/portico/cmd/portico")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build portico: %w: %s", err, out)
	}
	return bin, nil
}

// portico is a running daemon in a folder of its own.
type portico struct {
	*server
	bin, dir string
	addrs    map[string]string
}

// quiet is how every daemon here logs; peers' access logs are off, too.
const quiet = `
data_dir = "data"
log {
  level = "warn"
  access { off = true }
}
`

// startPortico starts one with what quiet says and the config.
func startPortico(ctx context.Context, b *bench, config string) (*portico, error) {
	dir, err := os.MkdirTemp(b.dir, "portico-")
	if err != nil {
		return nil, err
	}
	return startPorticoIn(ctx, b.bin, dir, config)
}

// startPorticoIn starts one in a folder that may hold data already.
func startPorticoIn(ctx context.Context, bin, dir, config string) (*portico, error) {
	p := &portico{bin: bin, dir: dir}
	if err := p.configure(config); err != nil {
		return nil, err
	}
	var err error
	if p.server, err = launch(ctx, nil, bin, "run", p.file()); err != nil {
		return nil, err
	}
	if err := p.untilReady(ctx); err != nil {
		p.stop()
		return nil, err
	}
	if p.addrs, err = p.addresses(); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// untilReady waits until the daemon says that it is.
func (p *portico) untilReady(ctx context.Context) error {
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		if b, err := p.admin("GET", "/readyz"); err == nil && strings.Contains(string(b), `"ok"`) {
			return nil
		}
		if p.dead() || time.Since(begun) > startPatience || ctx.Err() != nil {
			return fmt.Errorf("portico is not ready: %s", p.log)
		}
	}
}

func (p *portico) file() string { return filepath.Join(p.dir, "config.hcl") }

// configure writes the daemon's file.
func (p *portico) configure(config string) error {
	return os.WriteFile(p.file(), []byte(quiet+config), 0o644)
}

// addresses maps listeners to their first address.
func (p *portico) addresses() (map[string]string, error) {
	out, err := p.admin("GET", "/status")
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
		return nil, fmt.Errorf("status: %w: %s", err, out)
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
	if err := json.Unmarshal(b, &r); err != nil {
		return 0, fmt.Errorf("reload: %w: %s", err, b)
	}
	if !r.OK {
		return 0, fmt.Errorf("reload: %s", b)
	}
	return time.Duration(r.Seconds * float64(time.Second)), nil
}

// admin asks the daemon over its socket.
func (p *portico) admin(method, path string) ([]byte, error) {
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(p.dir, "data", "admin.sock"))
	}}
	c := http.Client{Timeout: time.Minute, Transport: tr}
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

var idleHeap = regexp.MustCompile(`(?m)^go_memstats_heap_(idle|released)_bytes (\S+)$`)

// spare is how many KiB the daemon would give back if it were idle for long.
func (p *portico) spare() (float64, error) {
	for range 2 { // collections: what pools keep goes with the second
		if _, err := p.admin("GET", "/debug/pprof/heap?gc=1&debug=1"); err != nil {
			return 0, err
		}
	}
	b, err := p.admin("GET", "/metrics")
	if err != nil {
		return 0, err
	}
	heap := map[string]float64{}
	for _, m := range idleHeap.FindAllStringSubmatch(string(b), -1) {
		if heap[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			return 0, fmt.Errorf("metrics: %w", err)
		}
	}
	if len(heap) != 2 {
		return 0, errors.New("metrics say nothing of the heap")
	}
	return (heap["idle"] - heap["released"]) / 1024, nil
}

// profiled takes a CPU profile into a file while something else runs; wait for
// the channel.
func (p *portico) profiled(d time.Duration, file string) <-chan error {
	done := make(chan error, 1)
	go func() {
		b, err := p.admin("GET", fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(d.Seconds()))))
		if err == nil {
			err = os.WriteFile(file, b, 0o644)
		}
		done <- err
	}()
	return done
}
