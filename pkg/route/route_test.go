package route_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/route"
)

func httpTarget(label string) route.Target {
	return route.Target{Label: label, HTTP: func(http.ResponseWriter, *http.Request) bool { return true }}
}

func rawTarget(label string) route.Target {
	return route.Target{Label: label, Raw: func(context.Context, net.Conn) {}}
}

func both(label string) route.Target {
	t := httpTarget(label)
	t.Raw = rawTarget(label).Raw
	return t
}

func ptr(t route.Target) *route.Target { return &t }

func TestLook(t *testing.T) {
	for name, c := range map[string]struct {
		table route.Table
		want  mux.Look
	}{
		"one HTTP service":          {route.Table{Default: ptr(httpTarget("d"))}, mux.LookHTTP},
		"one raw service":           {route.Table{Default: ptr(rawTarget("d"))}, mux.LookRaw},
		"one service with both":     {route.Table{Default: ptr(both("d"))}, mux.LookSplit},
		"HTTP services by host":     {route.Table{Rules: []route.Rule{{Hosts: []string{"a"}, Target: httpTarget("a")}}, Default: ptr(httpTarget("d"))}, mux.LookHTTP},
		"HTTP by version":           {route.Table{Rules: []route.Rule{{Protocols: []string{"http2"}, Target: httpTarget("a")}}, Default: ptr(httpTarget("d"))}, mux.LookHTTP},
		"HTTP and SSH":              {route.Table{Rules: []route.Rule{{Protocols: []string{"ssh"}, Target: rawTarget("a")}}, Default: ptr(httpTarget("d"))}, mux.LookSplit},
		"raw by protocol":           {route.Table{Rules: []route.Rule{{Protocols: []string{"ssh"}, Target: rawTarget("a")}}, Default: ptr(rawTarget("d"))}, mux.LookSplit},
		"raw by SNI":                {route.Table{Rules: []route.Rule{{SNI: []string{"a"}, Target: rawTarget("a")}}}, mux.LookSplit},
		"raw by address":            {route.Table{Rules: []route.Rule{{From: prefixes("10.0.0.0/8"), Target: rawTarget("a")}}, Default: ptr(rawTarget("d"))}, mux.LookRaw},
		"TLS always has a hello":    {route.Table{TLS: true, Default: ptr(httpTarget("d"))}, mux.LookSplit},
		"nothing at all is refused": {route.Table{}, mux.LookSplit},
	} {
		if got := c.table.Look(); got != c.want {
			t.Errorf("%s: Look() = %v, want %v", name, got, c.want)
		}
	}
}

func prefixes(list ...string) (p []netip.Prefix) {
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

// what a choice means, in a word or two.
func outcome(c mux.Choice) string {
	s := "close"
	switch {
	case c.HTTP:
		s = "http"
	case c.Raw != nil:
		s = "raw"
	}
	if c.Terminate {
		s = "tls+" + s
	}
	if c.Label != "" {
		s += " " + c.Label
	}
	return s
}

func TestConn(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	hello := func(sni string, alpn ...string) mux.Verdict {
		return mux.Verdict{Protocol: mux.TLS, SNI: sni, ALPN: alpn}
	}
	plain := route.Table{
		Rules: []route.Rule{
			{Protocols: []string{"ssh"}, Target: rawTarget("git")},
			{SNI: []string{"*.example.org"}, Target: rawTarget("pass")},
			{Protocols: []string{"postgres"}, From: prefixes("10.0.0.0/8"), Target: rawTarget("db")},
			{Hosts: []string{"a.example.org"}, Target: httpTarget("site")},
		},
		Default: ptr(rawTarget("rest")),
	}
	tls := route.Table{
		TLS: true,
		Rules: []route.Rule{
			{Protocols: []string{"tls"}, SNI: []string{"pass.example.org"}, Target: rawTarget("pass")},
			{Protocols: []string{"ssh"}, Target: rawTarget("git")},
			{ALPN: []string{"postgresql"}, Target: rawTarget("db")},
			{Hosts: []string{"a.example.org"}, Target: httpTarget("site")},
		},
		Default: ptr(httpTarget("rest")),
	}
	echo := route.Table{Default: ptr(both("echo"))}
	site := route.Table{Rules: []route.Rule{{Protocols: []string{"ssh"}, Target: rawTarget("git")}}, Default: ptr(httpTarget("site"))}
	for name, c := range map[string]struct {
		table *route.Table
		peer  netip.Addr
		v     mux.Verdict
		want  string
	}{
		"ssh by protocol":               {&plain, local, mux.Verdict{Protocol: mux.SSH}, "raw git"},
		"TLS passed through by name":    {&plain, local, hello("x.example.org"), "raw pass"},
		"two labels deep is no match":   {&plain, local, hello("x.y.example.org"), "raw rest"},
		"from does not match":           {&plain, local, mux.Verdict{Protocol: mux.Postgres}, "raw rest"},
		"from matches":                  {&plain, netip.MustParseAddr("10.1.2.3"), mux.Verdict{Protocol: mux.Postgres}, "raw db"},
		"from matches a mapped address": {&plain, netip.MustParseAddr("::ffff:10.1.2.3"), mux.Verdict{Protocol: mux.Postgres}, "raw db"},
		"HTTP before a raw default":     {&plain, local, mux.Verdict{Protocol: mux.HTTP1}, "http site"},
		"unknown goes to a raw default": {&plain, local, mux.Verdict{}, "raw rest"},
		"silent goes to the default":    {&plain, local, mux.Verdict{Protocol: mux.Silent}, "raw rest"},

		"passthrough before TLS ends":   {&tls, local, hello("pass.example.org"), "raw pass"},
		"HTTP inside TLS":               {&tls, local, hello("a.example.org", "h2", "http/1.1"), "tls+http site"},
		"no name, no ALPN":              {&tls, local, hello(""), "tls+http site"},
		"raw inside TLS by ALPN":        {&tls, local, hello("", "postgresql"), "tls+raw db"},
		"plain HTTP on a TLS port":      {&tls, local, mux.Verdict{Protocol: mux.HTTP1}, "http"},
		"ssh beside TLS":                {&tls, local, mux.Verdict{Protocol: mux.SSH}, "raw git"},
		"plain bytes on a TLS port":     {&tls, local, mux.Verdict{}, "close rest"},
		"both abilities: HTTP as HTTP":  {&echo, local, mux.Verdict{Protocol: mux.HTTP2}, "http echo"},
		"both abilities: rest as bytes": {&echo, local, mux.Verdict{}, "raw echo"},
		"both abilities: TLS as bytes":  {&echo, local, hello("x"), "raw echo"},
		"TLS to a plain HTTP port":      {&site, local, hello("x"), "http"},
		"mqtt to a site":                {&site, local, mux.Verdict{Protocol: mux.MQTT}, "http site"},
	} {
		if got := outcome(c.table.Conn(c.peer, c.v)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestRequest(t *testing.T) {
	table := route.Table{
		Rules: []route.Rule{
			{Hosts: []string{"photos.example.org", "*.photos.example.org"}, Target: httpTarget("photos")},
			{Paths: []string{"/api/*", "/status"}, Target: httpTarget("api")},
			{Protocols: []string{"http2"}, Paths: []string{"/two"}, Target: httpTarget("two")},
			{Protocols: []string{"ssh"}, Target: rawTarget("git")},
			{From: prefixes("192.0.2.0/24"), Target: httpTarget("near")},
		},
		Default: ptr(httpTarget("default")),
	}
	for url, want := range map[string]string{
		"http://photos.example.org/":        "photos",
		"http://PHOTOS.example.org.:8080/x": "photos",
		"http://a.photos.example.org/":      "photos",
		"http://a.b.photos.example.org/":    "default",
		"http://notphotos.example.org/":     "default",
		"http://x/api":                      "api",
		"http://x/api/":                     "api",
		"http://x/api/v1":                   "api",
		"http://x/apis":                     "default",
		"http://x/status":                   "api",
		"http://x/status/":                  "default",
		"http://x/public/../api/v1":         "api",
		"http://x/api/../public":            "default",
		"http://x//api//v1":                 "api",
		"http://x/two":                      "default",
		"http://[2001:db8::1]:80/api/x":     "api",
		"http://x/%61pi/v1":                 "api",
	} {
		r := httptest.NewRequest("GET", url, nil)
		if got := table.Request(netip.MustParseAddr("127.0.0.1"), mux.Verdict{}, r); got == nil || got.Label != want {
			t.Errorf("%s: %v, want %s", url, got, want)
		}
	}
	r := httptest.NewRequest("GET", "http://x/two", nil)
	r.ProtoMajor = 2
	if got := table.Request(netip.Addr{}, mux.Verdict{}, r); got.Label != "two" {
		t.Errorf("HTTP/2 /two went to %s", got.Label)
	}
	if got := table.Request(netip.MustParseAddr("192.0.2.9"), mux.Verdict{}, httptest.NewRequest("GET", "/x", nil)); got.Label != "near" {
		t.Errorf("192.0.2.9 went to %s", got.Label)
	}
	raw := route.Table{Default: ptr(rawTarget("raw"))}
	if got := raw.Request(netip.Addr{}, mux.Verdict{}, r); got != nil {
		t.Errorf("a raw target was chosen for a request: %s", got.Label)
	}
}
