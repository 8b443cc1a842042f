package config_test

import (
	"crypto/tls"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
)

func TestDefaults(t *testing.T) {
	dir := write(t, "config.hcl\n")
	file := filepath.Join(dir, "config.hcl")
	cfg, _, diags := config.Load(file, options(nil))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if cfg.Limits.Connections <= 0 {
		t.Errorf("connections %d, want 80 %% of the file limit", cfg.Limits.Connections)
	}
	want := &config.Config{
		File: file, Files: []string{file}, DataDir: filepath.Join(dir, "data"), Drain: 10 * time.Second,
		Log:      config.Log{Level: "info", Format: "auto", Access: config.Access{Format: "json"}},
		Admin:    config.Admin{Socket: filepath.Join(dir, "data", "admin.sock")},
		Accounts: config.Accounts{Registration: "closed"},
		Limits:   cfg.Limits,
	}
	if diff := cmp.Diff(want, cfg, compare()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	cfg, _, _ = config.Load(file, options(map[string]string{"STATE_DIRECTORY": "/var/lib/portico:/x", "RUNTIME_DIRECTORY": "/run/portico"}))
	if cfg.DataDir != "/var/lib/portico" || cfg.Admin.Socket != "/run/portico/admin.sock" {
		t.Errorf("under systemd: data_dir %s, socket %s", cfg.DataDir, cfg.Admin.Socket)
	}
}

func compare() cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".texts" || p.Last().String() == ".places" || p.Last().String() == ".Range"
	}, cmp.Ignore())
}

func TestListener(t *testing.T) {
	cfg := load(t, options(nil), `
service "echo" "all" {}
service "static" "site" {}
listener "full" {
  address         = ["127.0.0.1:3001", ":443", "[::1]:80", "localhost:81", "unix:web.sock", "127.0.0.1:0", "127.0.0.1:0"]
  service         = service.static.site
  allow           = ["10.0.0.0/8"]
  deny            = "10.1.1.1"
  trusted_proxies = ["127.0.0.1"]
  proxy_protocol {
    from = ["192.0.2.0/24"]
  }
  detect {
    timeout = "1s"
    silent  = "close"
  }
  limits {
    connections = 100
    per_ip      = 10
    rate        = 0.5
    body        = "1MiB"
  }
  timeouts {
    idle = "1m"
    read = 0
  }
  route {
    protocol = "ssh"
    from     = ["10.0.0.0/8"]
    service  = service.echo.all
  }
  route {
    host    = ["Photos.Example.org", "*.example.net"]
    path    = ["/api/*", "/"]
    service = service.static.site
  }
  route {
    protocol = "tls"
    sni      = "git.example.org"
    alpn     = ["h2"]
    service  = service.echo.all
  }
}
listener "tls" {
  address = ":8443"
  service = service.static.site
  tls {
    certificate {
      file = "`+abs(t, "testdata/certs/a.pem")+`"
      key  = "`+abs(t, "testdata/certs/a.key")+`"
    }
    redirect = true
  }
}
`)
	dir := filepath.Dir(cfg.File)
	prefixes := func(s ...string) (p []netip.Prefix) {
		for _, s := range s {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	site, echo := service.Ref{Kind: "static", Name: "site"}, service.Ref{Kind: "echo", Name: "all"}
	want := []config.Listener{{
		Name: "full",
		Addresses: []config.Address{
			{Network: "tcp", Host: "127.0.0.1", Port: 3001}, {Network: "tcp", Port: 443}, {Network: "tcp", Host: "::1", Port: 80},
			{Network: "tcp", Host: "127.0.0.1", Port: 81}, {Network: "unix", Host: filepath.Join(dir, "web.sock")},
			{Network: "tcp", Host: "127.0.0.1"}, {Network: "tcp", Host: "127.0.0.1"},
		},
		Service: &site,
		Routes: []config.Route{
			{Protocols: []string{"ssh"}, From: prefixes("10.0.0.0/8"), Service: echo},
			{Hosts: []string{"photos.example.org", "*.example.net"}, Paths: []string{"/api/*", "/"}, Service: site},
			{Protocols: []string{"tls"}, SNI: []string{"git.example.org"}, ALPN: []string{"h2"}, Service: echo},
		},
		Detect:    config.Detect{Timeout: time.Second, Silent: "close"},
		ProxyFrom: prefixes("192.0.2.0/24"), Allow: prefixes("10.0.0.0/8"), Deny: prefixes("10.1.1.1/32"), TrustedProxies: prefixes("127.0.0.1/32"),
		Limits:   config.Limits{Connections: 100, PerIP: 10, Rate: 0.5, Body: 1 << 20, Header: 64 << 10},
		Timeouts: config.Timeouts{Header: 10 * time.Second, Idle: time.Minute, Write: time.Minute},
	}, {
		Name: "tls", Addresses: []config.Address{{Network: "tcp", Port: 8443}}, Service: &site,
		TLS: &config.TLS{Redirect: true, MinVersion: tls.VersionTLS12, ClientAuth: "require", Certificates: []config.Certificate{
			{File: abs(t, "testdata/certs/a.pem"), Key: abs(t, "testdata/certs/a.key")},
		}},
		Detect:   config.Detect{Timeout: 3 * time.Second, Silent: "default"},
		Limits:   config.Limits{Header: 64 << 10},
		Timeouts: config.Timeouts{Header: 10 * time.Second, Idle: 120 * time.Second, Read: time.Minute, Write: time.Minute},
	}}
	opt := cmp.Options{compare(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}
	if diff := cmp.Diff(want, cfg.Listeners, opt); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWarnings(t *testing.T) {
	const chat = `
service "chat" "lobby" {}
listener "web" {
  address = ":3001"
  service = service.chat.lobby
  %s
}
`
	for extra, want := range map[string]bool{
		"":                                true,
		`tls { self_signed = true }`:      false,
		`trusted_proxies = ["127.0.0.1"]`: false,
	} {
		got := mistakes(t, options(nil), strings.Replace(chat, "%s", extra, 1))
		if strings.Contains(got, "clear text") != want {
			t.Errorf("with %q: %s", extra, got)
		}
	}
}

func TestAddress(t *testing.T) {
	tcp := func(host string, port int) config.Address {
		return config.Address{Network: "tcp", Host: host, Port: port}
	}
	unix := config.Address{Network: "unix", Host: "/a"}
	for _, test := range []struct {
		a, b config.Address
		want bool
	}{
		{tcp("127.0.0.1", 80), tcp("127.0.0.1", 80), true},
		{tcp("127.0.0.1", 80), tcp("127.0.0.1", 81), false},
		{tcp("127.0.0.1", 80), tcp("127.0.0.2", 80), false},
		{tcp("127.0.0.1", 80), tcp("", 80), true},
		{tcp("::", 80), tcp("127.0.0.1", 80), false},
		{tcp("::", 80), tcp("0.0.0.0", 80), false},
		{tcp("::", 80), tcp("", 80), true},
		{tcp("::", 80), tcp("::1", 80), true},
		{tcp("0.0.0.0", 80), tcp("127.0.0.1", 80), true},
		{tcp("0.0.0.0", 80), tcp("::1", 80), false},
		{tcp("", 0), tcp("", 0), false},
		{unix, unix, true},
		{unix, tcp("", 80), false},
	} {
		if got := test.a.Overlaps(test.b); got != test.want {
			t.Errorf("%s, %s: %t", test.a, test.b, got)
		}
		if got := test.b.Overlaps(test.a); got != test.want {
			t.Errorf("%s, %s: %t", test.b, test.a, got)
		}
	}
	if tcp("", 80).Loopback() || tcp("192.0.2.1", 80).Loopback() || !tcp("127.0.0.5", 80).Loopback() || !tcp("::1", 80).Loopback() || !unix.Loopback() {
		t.Error("Loopback")
	}
	if s := tcp("::1", 80).String() + " " + tcp("", 80).String() + " " + unix.String(); s != "[::1]:80 :80 unix:/a" {
		t.Error(s)
	}
}
