package config_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestUnreachable checks pairs of routes on one listener: whether the second is
// unreachable behind the first.
func TestUnreachable(t *testing.T) {
	const (
		site = "service = service.static.site" // HTTP only
		git  = "service = service.tcp.git"     // raw only
		all  = "service = service.echo.all"    // both
		tls  = "tls {\n  self_signed = true\n}\n"
	)
	for _, test := range []struct {
		listener, first, second string
		want                    bool
	}{
		// Without conditions the service's ability decides.
		{"", site, `protocol = "ssh"; ` + git, false},
		{"", site, `host = "a.org"; ` + site, true},
		{"", git, `protocol = "ssh"; ` + all, true},
		{"", git, `host = "a.org"; ` + site, true},
		{"", all, `protocol = "tls"; ` + git, true},
		{"", `protocol = "any"; ` + all, `protocol = "ssh"; ` + all, true},
		{"", site, all, false},
		{"", all, site, true},
		// Protocols.
		{"", `protocol = "http"; ` + site, `protocol = "http1"; ` + site, true},
		{"", `protocol = "http1"; ` + site, `protocol = "http"; ` + site, false},
		{"", `protocol = ["http1", "http2"]; ` + site, `path = "/"; ` + site, true},
		{"", `protocol = ["ssh", "mqtt"]; ` + all, `protocol = "mqtt"; ` + all, true},
		{"", `protocol = "ssh"; ` + all, `protocol = ["ssh", "mqtt"]; ` + all, false},
		{"", `protocol = "ssh"; ` + all, all, false},
		// Hosts and paths.
		{"", `host = "*.a.org"; ` + site, `host = "x.a.org"; ` + site, true},
		{"", `host = "*.a.org"; ` + site, `host = "X.A.org"; ` + site, true},
		{"", `host = "*.a.org"; ` + site, `host = "a.org"; ` + site, false},
		{"", `host = "*.a.org"; ` + site, `host = "x.y.a.org"; ` + site, false},
		{"", `host = "*.a.org"; ` + site, `host = "*.a.org"; ` + site, true},
		{"", `host = "*.a.org"; ` + site, `host = "*.x.a.org"; ` + site, false},
		{"", `host = "x.a.org"; ` + site, `host = "*.a.org"; ` + site, false},
		{"", `host = ["a.org", "b.org"]; ` + site, `host = "b.org"; ` + site, true},
		{"", `host = "a.org"; ` + site, `host = ["a.org", "b.org"]; ` + site, false},
		{"", `path = "/api/*"; ` + site, `path = "/api"; ` + site, true},
		{"", `path = "/api/*"; ` + site, `path = "/api/v1/*"; ` + site, true},
		{"", `path = "/api/*"; ` + site, `path = "/apis"; ` + site, false},
		{"", `path = "/*"; ` + site, `path = "/x"; ` + site, true},
		{"", `path = "/*"; ` + site, `host = "a.org"; ` + site, true},
		{"", `path = "/"; ` + site, `path = "/x"; ` + site, false},
		{"", `host = "a.org"; ` + site, `host = "a.org"; path = "/x"; ` + site, true},
		{"", `host = "a.org"; path = "/x"; ` + site, `host = "a.org"; ` + site, false},
		{"", `host = "a.org"; ` + site, `protocol = "ssh"; ` + git, false},
		{"", `host = "a.org"; ` + all, all, false},
		// Clients.
		{"", `from = "10.0.0.0/8"; ` + all, `from = "10.1.0.0/16"; ` + all, true},
		{"", `from = "10.1.0.0/16"; ` + all, `from = "10.0.0.0/8"; ` + all, false},
		{"", `from = "10.0.0.0/8"; ` + all, all, false},
		{"", `from = "::/0"; ` + all, `from = "10.0.0.0/8"; ` + all, false},
		// TLS.
		{tls, `protocol = "tls"; ` + git, `sni = "a.org"; ` + site, true},
		{tls, `protocol = "tls"; ` + git, `host = "a.org"; ` + site, true},
		{"", `protocol = "tls"; ` + git, `host = "a.org"; ` + site, false},
		{tls, `protocol = "tls"; sni = "a.org"; ` + git, `host = "a.org"; ` + site, false},
		{tls, `protocol = "tls"; sni = "a.org"; ` + git, `sni = "a.org"; ` + site, true},
		{tls, `protocol = "tls"; ` + git, `protocol = "ssh"; ` + git, false},
		{tls, `sni = "*.a.org"; ` + site, `sni = "x.a.org"; path = "/x"; ` + site, true},
		{tls, `alpn = "h2"; ` + site, `alpn = ["h2", "http/1.1"]; ` + site, false},
		{tls, `alpn = ["h2", "http/1.1"]; ` + site, `alpn = "h2"; ` + site, true},
	} {
		routes := ""
		for _, r := range []string{test.first, test.second} {
			routes += fmt.Sprintf("  route {\n    %s\n  }\n", strings.ReplaceAll(r, "; ", "\n    "))
		}
		got := mistakes(t, options(nil), `
service "static" "site" {}
service "tcp" "git" {
  upstreams = "127.0.0.1:22"
}
service "echo" "all" {}
listener "x" {
  address = "127.0.0.1:8080"
  `+test.listener+routes+"}\n")
		if strings.Contains(got, "Unreachable route") != test.want || strings.Contains(strings.ReplaceAll(got, "Error: Unreachable", ""), "Error:") {
			t.Errorf("%q, then %q: want %t:\n%s", test.first, test.second, test.want, got)
		}
	}
}
