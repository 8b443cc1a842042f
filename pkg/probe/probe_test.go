package probe_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/golden"
	"github.com/porticod/portico/internal/testkit/port"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/probe"
	"github.com/porticod/portico/pkg/service"
)

const patience = 30 * time.Second

// serve hands each connection to handle and returns the port.
func serve(t *testing.T, handle func(net.Conn)) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func tcp(port int) probe.Check {
	return probe.Check{Network: "tcp", Address: "127.0.0.1:" + strconv.Itoa(port), Path: "/"}
}

func run(t *testing.T, c probe.Check) probe.Result {
	t.Helper()
	return probe.Run(t.Context(), []probe.Check{c}, patience)[0]
}

func wants(t *testing.T, r probe.Result, ok bool, has string) {
	t.Helper()
	if r.OK != ok || !strings.Contains(r.Result, has) {
		t.Errorf("got %v, %q; want %v, %q", r.OK, r.Result, ok, has)
	}
}

func portOf(t *testing.T, srv *httptest.Server) int {
	t.Helper()
	return srv.Listener.Addr().(*net.TCPAddr).Port
}

func TestHTTP(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		w.WriteHeader(max(code, 200))
	}))
	defer srv.Close()
	for _, c := range []struct {
		path  string
		want  []int
		loose bool
		ok    bool
	}{
		{"/", nil, false, true},
		{"/404", nil, false, true}, // a service is there
		{"/302", nil, false, true}, // and so is one that redirects, wherever to
		{"/503", nil, false, false},
		{"/503", []int{503}, false, true},
		{"/404", []int{200}, false, false},
		{"/404", []int{200}, true, true}, // asked for a path that is not the probe's own
	} {
		k := tcp(portOf(t, srv))
		k.Path, k.Loose = c.path, c.loose
		k.Probe = service.Probe{Kind: service.ProbeHTTP, Status: c.want}
		if r := run(t, k); r.OK != c.ok {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}

func TestTLSAndHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.TLS.ServerName)
	}))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // bad handshakes are asked for
	srv.StartTLS()
	defer srv.Close()
	k := tcp(portOf(t, srv))
	k.TLS, k.Probe = true, service.Probe{Kind: service.ProbeHTTP}
	wants(t, run(t, k), true, "HTTP/2.0 200 OK")
	k.ALPN = []string{"http/1.1"}
	wants(t, run(t, k), true, "HTTP/1.1 200 OK")
	k.ALPN, k.TLS = nil, false
	wants(t, run(t, k), true, "400") // plain HTTP on a TLS port
	k.TLS, k.Probe = true, service.Probe{Kind: service.ProbeConnect}
	wants(t, run(t, k), true, "connected")
}

func TestExpiredCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{expired(t)}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // bad handshakes are asked for
	srv.StartTLS()
	defer srv.Close()
	k := tcp(portOf(t, srv))
	k.TLS, k.Probe = true, service.Probe{Kind: service.ProbeHTTP}
	wants(t, run(t, k), false, "expired on 2001-02-03")
}

func TestHTTP2PriorKnowledge(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	defer srv.Close()
	k := tcp(portOf(t, srv))
	k.HTTP2, k.Probe = true, service.Probe{Kind: service.ProbeHTTP}
	wants(t, run(t, k), true, "HTTP/2.0 404")
}

func TestWebSocket(t *testing.T) {
	for _, c := range []struct {
		answer string
		ok     bool
		has    string
	}{
		// The answer for the probe's key, by RFC 6455 section 4.2.2.
		{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n\r\n", true, "WebSocket open"},
		{"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n", false, "wrong Sec-WebSocket-Accept"},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false, "404 Not Found instead of a WebSocket"},
		{"", false, "closed without an answer"},
	} {
		port := serve(t, func(conn net.Conn) {
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err != nil || req.Header.Get("Upgrade") != "websocket" {
				return
			}
			io.WriteString(conn, c.answer)
		})
		k := tcp(port)
		k.Probe = service.Probe{Kind: service.ProbeWebSocket, Path: "/ws"}
		wants(t, run(t, k), c.ok, c.has)
	}
}

const accept = "cXkV+Ok7rxFI1BszNbcmASyEDIQ="

func TestRaw(t *testing.T) {
	port := serve(t, func(c net.Conn) {
		b := make([]byte, 4)
		io.ReadFull(c, b)
		c.Write(b)
	})
	k := tcp(port)
	k.Probe = service.Probe{Kind: service.ProbeRaw, Send: []byte("ping"), Expect: []byte("ping")}
	wants(t, run(t, k), true, "4 bytes as expected")
	k.Probe.Expect = []byte("pong")
	wants(t, run(t, k), false, `answered "ping" where "pong" was expected`)
	k.Probe.Expect = []byte("ping and more")
	wants(t, run(t, k), false, "answered only")
	k.Probe.Expect = nil
	wants(t, run(t, k), true, `connected, "ping"`)
}

func TestConnect(t *testing.T) {
	for _, c := range []struct {
		handle func(net.Conn)
		ok     bool
		has    string
	}{
		{func(c net.Conn) { io.Copy(io.Discard, c) }, true, "connected"},
		{func(c net.Conn) { io.WriteString(c, "220 mail\r\n"); io.Copy(io.Discard, c) }, true, `connected, "220 mail"`},
		{func(net.Conn) {}, false, "closed at once"},
	} {
		k := tcp(serve(t, c.handle))
		k.Probe = service.Probe{Kind: service.ProbeConnect}
		wants(t, run(t, k), c.ok, c.has)
	}
}

// What goes wrong on the way is said in words.
func TestFailures(t *testing.T) {
	silent := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	k := tcp(silent)
	k.Probe = service.Probe{Kind: service.ProbeHTTP}
	start := time.Now()
	r := probe.Run(t.Context(), []probe.Check{k}, 100*time.Millisecond)[0]
	wants(t, r, false, "no answer within 100ms")
	if took := time.Since(start); took > patience {
		t.Errorf("it took %v", took)
	}

	k = tcp(port.Hold(t).Port)
	k.Probe = service.Probe{Kind: service.ProbeConnect}
	wants(t, run(t, k), false, "nobody listens there")

	k = probe.Check{Network: "unix", Address: filepath.Join(t.TempDir(), "none"), Probe: k.Probe}
	wants(t, run(t, k), false, "no such socket")

	broken := serve(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	})
	k = tcp(broken)
	k.Probe = service.Probe{Kind: service.ProbeHTTP}
	wants(t, run(t, k), false, "broke off after 4 bytes")
}

// One that hangs does not keep the others waiting.
func TestParallel(t *testing.T) {
	silent := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	var checks []probe.Check
	for range 40 {
		k := tcp(silent)
		k.Probe = service.Probe{Kind: service.ProbeHTTP}
		checks = append(checks, k)
	}
	start := time.Now()
	probe.Run(context.Background(), checks, 500*time.Millisecond)
	if took := time.Since(start); took > 40*500*time.Millisecond/2 {
		t.Errorf("40 checks of 500ms took %v", took)
	}
}

func TestUnixAndProxyHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	defer srv.Close()
	wants(t, run(t, probe.Check{Network: "unix", Address: path, Probe: service.Probe{Kind: service.ProbeHTTP}}), true, "404")

	first := make(chan string, 1)
	port := serve(t, func(c net.Conn) {
		line, _ := bufio.NewReader(c).ReadString('\n')
		first <- line
	})
	k := tcp(port)
	k.Proxy, k.Probe = true, service.Probe{Kind: service.ProbeConnect}
	run(t, k)
	if line := <-first; !strings.HasPrefix(line, "PROXY TCP4 127.0.0.1 127.0.0.1 ") || !strings.HasSuffix(line, fmt.Sprintf(" %d\r\n", port)) {
		t.Errorf("got %q", line)
	}
}

func prefixes(list ...string) (ps []netip.Prefix) {
	for _, p := range list {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return ps
}

// What is asked of each kind of listener and route, with the curl lines.
func TestChecks(t *testing.T) {
	web := spec("web", service.HTTP, service.Probe{Kind: service.ProbeHTTP, Path: "/healthz"})
	chat := spec("chat", service.HTTP, service.Probe{Kind: service.ProbeWebSocket, Path: "/v1/ws"})
	both := spec("both", service.HTTP|service.Raw, service.Probe{Kind: service.ProbeRaw, Send: []byte("hi '%'\n"), Expect: []byte("hi")})
	raw := spec("raw", service.Raw, service.Probe{Kind: service.ProbeConnect})
	ref := func(s service.Spec) *service.Ref { r := s.Ref(); return &r }
	on := func(host string, port int) []config.Address {
		return []config.Address{{Network: "tcp", Host: host, Port: port}}
	}
	route := func(s service.Spec, r config.Route) config.Route { r.Service = s.Ref(); return r }
	cfg := &config.Config{
		Services: []service.Spec{web, chat, both, raw},
		Listeners: []config.Listener{
			{Name: "plain", Addresses: append(on("127.0.0.1", 3001), on("", 3002)[0], on("::", 3003)[0], on("192.0.2.7", 3004)[0]), Service: ref(web)},
			{Name: "sock", Addresses: []config.Address{{Network: "unix", Host: "/run/a b.sock"}}, Service: ref(web)},
			{Name: "chat", Addresses: on("127.0.0.1", 3005), Service: ref(chat)},
			{Name: "both", Addresses: on("127.0.0.1", 3006), Service: ref(both)},
			{Name: "tls", Addresses: on("127.0.0.1", 3443), TLS: &config.TLS{SelfSigned: true}, Service: ref(web), Routes: []config.Route{
				route(web, config.Route{Hosts: []string{"*.example.org"}}),
				route(chat, config.Route{Paths: []string{"/v1/*"}}),
				route(chat, config.Route{Paths: []string{"/chat/*"}}),
				route(raw, config.Route{SNI: []string{"db.example.org"}}),
				route(web, config.Route{SNI: []string{"www.example.org"}, ALPN: []string{"h2"}}),
				route(raw, config.Route{Protocols: []string{"tls"}, SNI: []string{"own.example.org"}}),
				route(both, config.Route{ALPN: []string{"custom/1"}}),
				route(both, config.Route{SNI: []string{"both.example.org"}}),
				route(raw, config.Route{Protocols: []string{"ssh"}}),
			}},
			{Name: "split", Addresses: on("127.0.0.1", 3007), Service: ref(web), Routes: []config.Route{
				route(both, config.Route{Protocols: []string{"ssh"}}),
				route(raw, config.Route{Protocols: []string{"tls"}, SNI: []string{"a.example.org"}}),
				route(web, config.Route{Protocols: []string{"http2"}}),
				route(both, config.Route{Protocols: []string{"http"}}),
				route(raw, config.Route{Protocols: []string{"any"}}),
				route(web, config.Route{From: prefixes("10.0.0.0/8")}),
			}},
			{Name: "taken", Addresses: on("127.0.0.1", 3010), Service: ref(web), Routes: []config.Route{
				route(chat, config.Route{Paths: []string{"/healthz"}}),
			}},
			{Name: "taken-by-name", Addresses: on("127.0.0.1", 3011), Service: ref(web), Routes: []config.Route{
				route(chat, config.Route{Hosts: []string{"chat.example.org"}, Paths: []string{"/*"}}),
				route(both, config.Route{Paths: []string{"/healthz"}, From: prefixes("10.0.0.0/8")}),
			}},
			{Name: "all-taken", Addresses: on("127.0.0.1", 3012), Service: ref(web), Routes: []config.Route{
				route(chat, config.Route{Paths: []string{"/*"}}),
			}},
			{Name: "proxied", Addresses: on("127.0.0.1", 3008), ProxyFrom: prefixes("127.0.0.0/8"), Service: ref(web)},
			{Name: "far", Addresses: on("127.0.0.1", 3009), Allow: prefixes("10.0.0.0/8"), Service: ref(web)},
			{Name: "any-port", Addresses: on("127.0.0.1", 0), Service: ref(web)},
			{Name: "known-port", Addresses: on("127.0.0.1", 0), Service: ref(web)},
		},
	}
	var b strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what is planned is looked at, not what comes of it
	checks := probe.Checks(cfg, probe.Bound{"known-port": {"127.0.0.1:4711"}}, nil)
	for i, r := range probe.Run(ctx, checks, 5*time.Second) {
		fmt.Fprintf(&b, "%s %s %s %s %s", r.Listener, r.Address, r.Route, r.Service, r.Probe)
		if checks[i].Opening != "" {
			fmt.Fprintf(&b, " %s", checks[i].Opening)
		}
		switch {
		case r.Skipped:
			fmt.Fprintf(&b, "\n    skipped: %s", r.Result)
		case r.Curl == "":
			fmt.Fprintf(&b, "\n    failed: %s", r.Result)
		}
		fmt.Fprintf(&b, "\n    %s\n", strings.TrimSpace(r.Curl))
	}
	golden.Match(t, "testdata/checks.golden", b.String())
	if n := len(probe.Checks(cfg, nil, []string{"chat", "sock"})); n != 2 {
		t.Errorf("%d checks for two listeners", n)
	}
}
