package hostcheck_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/golden"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/hostcheck"
)

type resolver map[string][]netip.Addr

func (r resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if addrs, ok := r[host]; ok {
		return addrs, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// find runs the checks on a host with the address 198.51.100.1.
func find(t *testing.T, cfg *config.Config, names resolver) map[string]hostcheck.Finding {
	t.Helper()
	h := hostcheck.Host{Resolver: names, Addresses: func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(198, 51, 100, 1), Mask: net.CIDRMask(24, 32)}}, nil
	}}
	byCheck := map[string]hostcheck.Finding{}
	for _, f := range h.Run(t.Context(), cfg) {
		if f.Level != hostcheck.OK && f.Remedy == "" {
			t.Errorf("%s: no remedy", f.Check)
		}
		byCheck[f.Check] = f
	}
	return byCheck
}

func TestNames(t *testing.T) {
	here, there := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("203.0.113.9")
	cfg := &config.Config{DataDir: t.TempDir(), Listeners: []config.Listener{{
		Routes: []config.Route{{Hosts: []string{"good.portico.dev", "away.portico.dev", "*.portico.dev", "x.example.org", "127.0.0.1"}}},
		TLS:    &config.TLS{ACME: &config.ACME{Names: []string{"gone.portico.dev", "www.example.org"}}},
	}, {
		TLS: &config.TLS{ACME: &config.ACME{Names: []string{"a.test"}, Directory: "https://ca.test/directory"}},
	}}}
	got := find(t, cfg, resolver{"good.portico.dev": {here}, "away.portico.dev": {here, there}})
	for check, want := range map[string]struct{ level, text string }{
		"name good.portico.dev": {hostcheck.OK, "leads to this machine"},
		"name away.portico.dev": {hostcheck.Warn, "leads to 203.0.113.9, which"},
		"name gone.portico.dev": {hostcheck.Warn, "there is no such name"},
		"name www.example.org":  {hostcheck.Warn, "kept for examples"},
	} {
		if f := got[check]; f.Level != want.level || !strings.Contains(f.Found, want.text) {
			t.Errorf("%s: %+v", check, f)
		}
	}
	if f := got["name gone.portico.dev"]; !strings.Contains(f.Remedy, "the CA gives no certificate") {
		t.Errorf("a managed name: %s", f.Remedy)
	}
	for _, check := range []string{"name *.portico.dev", "name x.example.org", "name 127.0.0.1", "name a.test"} {
		if _, ok := got[check]; ok {
			t.Errorf("%s was looked up", check)
		}
	}
}

// A port is tried at each address of a name that people look for there.
func TestPorts(t *testing.T) {
	here, there := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("203.0.113.9")
	tcp := func(host string, ports ...int) (all []config.Address) {
		for _, p := range ports {
			all = append(all, config.Address{Network: "tcp", Host: host, Port: p})
		}
		return all
	}
	cfg := &config.Config{DataDir: t.TempDir(), Listeners: []config.Listener{
		{Addresses: tcp("", 80)},
		{Addresses: tcp("", 443, 8443, 0), TLS: &config.TLS{ACME: &config.ACME{Names: []string{"www.portico.dev", "gone.portico.dev"}}}},
		{Addresses: tcp("127.0.0.1", 3001), Routes: []config.Route{{Hosts: []string{"www.portico.dev"}}}},
	}}
	h := hostcheck.Host{
		Resolver: resolver{"www.portico.dev": {here, there}}, Addresses: func() ([]net.Addr, error) { return nil, nil },
		Dial: func(_ context.Context, network, at string) (net.Conn, error) {
			switch {
			case at == "203.0.113.9:443":
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
			case at == "203.0.113.9:8443":
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
			}
			near, far := net.Pipe()
			_ = far.Close()
			return near, nil
		},
	}
	got := map[string]hostcheck.Finding{}
	for _, f := range h.Run(t.Context(), cfg) {
		if strings.HasPrefix(f.Check, "port ") {
			got[f.Check] = f
		}
	}
	for check, want := range map[string]struct{ level, found string }{
		"port 80 of www.portico.dev":   {hostcheck.OK, "can be reached by the name"},
		"port 443 of www.portico.dev":  {hostcheck.Warn, "203.0.113.9:443 refuses connections"},
		"port 8443 of www.portico.dev": {hostcheck.Warn, "203.0.113.9:8443 does not answer"},
	} {
		if f := got[check]; f.Level != want.level || f.Found != want.found || (f.Remedy == "") != (f.Level == hostcheck.OK) {
			t.Errorf("%s: %+v", check, f)
		}
		delete(got, check)
	}
	if len(got) > 0 {
		t.Errorf("these were tried, too: %v", got)
	}
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	var certs []config.Certificate
	for name, left := range map[string]time.Duration{"good": 60 * 24 * time.Hour, "soon": 3 * 24 * time.Hour, "over": -time.Hour} {
		certs = append(certs, certificate(t, dir, name, left))
	}
	certs = append(certs, config.Certificate{File: filepath.Join(dir, "none.pem"), Key: filepath.Join(dir, "none.key")})
	got := find(t, &config.Config{DataDir: dir, Listeners: []config.Listener{{TLS: &config.TLS{Certificates: certs}}}}, nil)
	for name, level := range map[string]string{"good": hostcheck.OK, "soon": hostcheck.Warn, "over": hostcheck.Fail, "none": hostcheck.Fail} {
		if f := got["certificate "+name+".pem"]; f.Level != level {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// The checks of the machine itself say something, whatever it is.
func TestMachine(t *testing.T) {
	cfg := &config.Config{DataDir: filepath.Join(t.TempDir(), "not", "made", "yet")}
	cfg.Limits.Connections = 1 << 40
	got := find(t, cfg, nil)
	if f := got["open files"]; f.Level != hostcheck.Warn {
		t.Errorf("more connections than files: %+v", f)
	}
	for _, check := range []string{"disk", "clock"} {
		if got[check].Found == "" {
			t.Errorf("nothing found about the %s", check)
		}
	}
}

// What is said of a machine, from sound to unusable: level, words and remedy.
func TestWords(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	dir := t.TempDir()
	cfg := &config.Config{DataDir: dir, Listeners: []config.Listener{{
		TLS: &config.TLS{ACME: &config.ACME{Directory: "https://ca.test/directory", Names: []string{"fine.test", "late.test", "none.test", "old.test", "torn.test"}}},
	}}}
	cfg.Limits.Connections = 10_000
	obtained(t, dir, "fine.test", now.Add(-day), now.Add(89*day))
	obtained(t, dir, "late.test", now.Add(-80*day), now.Add(10*day))
	obtained(t, dir, "old.test", now.Add(-91*day), now.Add(-day))
	obtained(t, dir, "torn.test", now, now)
	if err := os.WriteFile(obtainedFile(dir, "torn.test"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const gib = 1 << 30
	var b strings.Builder
	for _, c := range []struct {
		name   string
		room   hostcheck.Room
		limit  uint64
		synced bool
		daemon *hostcheck.Daemon
	}{
		{"sound", hostcheck.Room{Free: 90 * gib, Total: 100 * gib, FreeInodes: 6e6, AllInodes: 65e5}, 524288, true, &hostcheck.Daemon{Files: 120, MaxFiles: 524288}},
		{"no daemon, inodes without a number", hostcheck.Room{Free: 90 * gib, Total: 100 * gib}, 524288, true, nil},
		{"few inodes, many files open", hostcheck.Room{Free: 90 * gib, Total: 100 * gib, FreeInodes: 9000, AllInodes: 65e5}, 1024, false, &hostcheck.Daemon{Files: 9000, MaxFiles: 12000}},
		{"no inodes, few files allowed", hostcheck.Room{Free: 3 * gib, Total: 100 * gib, FreeInodes: 0, AllInodes: 65e5}, 1024, true, nil},
		{"little room, files used up", hostcheck.Room{Free: 3 * gib, Total: 100 * gib, FreeInodes: 6e6, AllInodes: 65e5}, 524288, true, &hostcheck.Daemon{Files: 11500, MaxFiles: 12000}},
		{"no room, more connections than files", hostcheck.Room{Free: 1 << 20, Total: 100 * gib, FreeInodes: 9000, AllInodes: 65e5}, 524288, true, &hostcheck.Daemon{Files: 100, MaxFiles: 9000}},
	} {
		fmt.Fprintf(&b, "# %s\n", c.name)
		h := hostcheck.Host{
			Resolver: resolver{}, Addresses: func() ([]net.Addr, error) { return nil, nil }, Now: func() time.Time { return now },
			Room: func(string) (hostcheck.Room, bool) { return c.room, true }, OpenFiles: func() (uint64, bool) { return c.limit, true },
			Synced: func() (bool, bool) { return c.synced, true }, Daemon: c.daemon,
		}
		for _, f := range h.Run(t.Context(), cfg) {
			fmt.Fprintf(&b, "%s: %s: %s.\n", f.Level, f.Check, f.Found)
			if (f.Remedy == "") != (f.Level == hostcheck.OK) {
				t.Errorf("%s: %+v", c.name, f)
			}
			if f.Remedy != "" {
				fmt.Fprintf(&b, "  %s\n", f.Remedy)
			}
		}
		cfg.Listeners = nil // they were seen
	}
	golden.Match(t, "testdata/words.golden", strings.ReplaceAll(b.String(), dir, "DIR"))
}

// obtainedFile is where the daemon keeps what the CA ca.test gave.
func obtainedFile(dataDir, name string) string {
	return filepath.Join(dataDir, "tls", "acme", "certificates", "ca.test-directory", name, name+".crt")
}

func obtained(t *testing.T, dataDir, name string, from, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until, DNSNames: []string{name}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := obtainedFile(dataDir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func certificate(t *testing.T, dir, name string, left time.Duration) config.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(left)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := config.Certificate{File: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
	for file, b := range map[string]*pem.Block{c.File: {Type: "CERTIFICATE", Bytes: der}, c.Key: {Type: "PRIVATE KEY", Bytes: pk}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}
