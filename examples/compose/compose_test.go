// Package compose_test holds the files of the example to each other.
package compose_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/pkg/config"
)

// composed is what the test wants to know of compose.yaml.
type composed struct {
	Services map[string]struct {
		Build       struct{ Context string }
		Image       string
		Volumes     []string
		Secrets     []string
		Environment map[string]string
		StopGrace   string   `yaml:"stop_grace_period"`
		DependsOn   any      `yaml:"depends_on"`
		Command     []string `yaml:"command"`
		Healthcheck struct{ Test []string }
		Ports       []string
		Networks    map[string]struct {
			Address string `yaml:"ipv4_address"`
		}
	}
	Networks map[string]struct {
		IPAM struct{ Config []struct{ Subnet string } }
	}
	Volumes map[string]any
	Secrets map[string]struct{ File string }
}

func compose(t *testing.T) (c composed) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// load loads the config of the nodes, with secrets.
func load(t *testing.T, secrets ...string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for _, s := range secrets {
		if err := os.WriteFile(filepath.Join(dir, s), []byte("0123456789abcdef"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	getenv := func(name string) string {
		return map[string]string{"CREDENTIALS_DIRECTORY": dir, "STATE_DIRECTORY": dir}[name]
	}
	cfg, src, diags := config.Load("config.hcl", config.Options{Kinds: testkit.App().Kinds, Getenv: getenv})
	if diags.HasErrors() {
		var b strings.Builder
		_ = src.WriteText(&b, diags, 100, false)
		t.Fatal(b.String())
	}
	return cfg
}

// What is named is there: files, secrets, volumes.
func TestNames(t *testing.T) {
	c := compose(t)
	var secrets []string
	for name, s := range c.Secrets {
		secrets = append(secrets, name)
		if ignored := strings.Contains(read(t, ".gitignore"), strings.TrimPrefix(s.File, ".")); !ignored {
			t.Errorf("the secret %s would be committed", s.File)
		}
		if !strings.Contains(read(t, "README.md"), name) {
			t.Errorf("the page does not say how to make %s", name)
		}
	}
	cfg := load(t, secrets...)
	for name, s := range c.Services {
		for _, secret := range s.Secrets {
			if !slices.Contains(secrets, secret) {
				t.Errorf("%s has a secret %s that is not there", name, secret)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, named := c.Volumes[from]; named {
				continue
			}
			if _, err := os.Stat(from); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s.Build.Context == "" {
			if !regexp.MustCompile(`:v?[0-9]`).MatchString(s.Image) {
				t.Errorf("%s is of no version: %q", name, s.Image)
			}
			continue
		}
		if _, err := os.Stat(filepath.Join(s.Build.Context, "Dockerfile")); err != nil {
			t.Error(err)
		}
		if grace, err := time.ParseDuration(s.StopGrace); err != nil || grace < cfg.Drain+15*time.Second {
			t.Errorf("%s is killed after %s, %v, and drains for %s", name, s.StopGrace, err, cfg.Drain)
		}
		if s.Environment["CREDENTIALS_DIRECTORY"] != "/run/secrets" || len(s.Healthcheck.Test) == 0 {
			t.Errorf("%s has no secrets, or nobody looks after it: %+v", name, s)
		}
	}
}

// Who is named in the config and in haproxy.cfg is a service, at its port.
func TestAddresses(t *testing.T) {
	c := compose(t)
	front := c.Services["front"]
	address := front.Networks["default"].Address
	if subnet := netip.MustParsePrefix(c.Networks["default"].IPAM.Config[0].Subnet); !subnet.Contains(netip.MustParseAddr(address)) {
		t.Errorf("%s is not in %s", address, subnet)
	}
	cfg, proxy := load(t, "database-password", "bus-password", "bucket-key"), read(t, "haproxy.cfg")
	for _, l := range cfg.Listeners {
		if len(l.ProxyFrom) != 1 || l.ProxyFrom[0].String() != address+"/32" {
			t.Errorf("%s believes %v, not %s", l.Name, l.ProxyFrom, address)
		}
		port := strings.TrimPrefix(l.Addresses[0].String(), "0.0.0.0")
		for _, want := range []string{"bind " + port, "portico-1" + port, "portico-2" + port} {
			if !strings.Contains(proxy, want+"\n") {
				t.Errorf("haproxy.cfg has no %q", want)
			}
		}
		if !slices.Contains(front.Ports, "127.0.0.1"+port+port) {
			t.Errorf("the front has no port for %s: %v", port, front.Ports)
		}
	}
	if !strings.Contains(proxy, "port "+strings.TrimPrefix(cfg.Admin.Address, ":")+" ") || !cfg.Admin.Public {
		t.Errorf("haproxy.cfg does not ask %s", cfg.Admin.Address)
	}
	where := cfg.Storage.Where()
	for what, want := range map[string]string{"database": "portico at postgres", "bus": "nats:4222", "blobs": "s3://portico/ at s3:7070"} {
		if where[what] != want {
			t.Errorf("%s is %q, not %q", what, where[what], want)
		}
	}
	for _, name := range []string{"postgres", "nats", "s3", "portico-1", "portico-2"} {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
}
