package peers_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit"
)

// behindPeers is a daemon that balancers hand connections to: many protocols at
// one address, raw bytes at another, TLS at a third. The last believes nobody
// here.
const behindPeers = `
data_dir = "data"
log { level = "warn" }
service "echo" "mirror" {}
service "respond" "hello" { body = "hello" }
service "chat" "chat" {}
service "proxy" "app" { upstreams = ["http://%[1]s"] }
service "tcp" "v1" {
  upstreams  = ["%[2]s"]
  send_proxy = "v1"
}
listener "shared" {
  address = ["127.0.0.1:0", "[::1]:0"]
  proxy_protocol { from = ["127.0.0.0/8", "::1"] }
  route {
    path    = ["/who"]
    service = service.proxy.app
  }
  route {
    path    = ["/hello"]
    service = service.respond.hello
  }
  route {
    path    = ["/healthz"]
    service = service.chat.chat
  }
  service = service.echo.mirror
}
listener "raw" {
  address = ["127.0.0.1:0", "[::1]:0"]
  proxy_protocol { from = ["127.0.0.0/8", "::1"] }
  service = service.tcp.v1
}
listener "secure" {
  address = ["127.0.0.1:0", "[::1]:0"]
  proxy_protocol { from = ["127.0.0.0/8", "::1"] }
  tls { self_signed = true }
  service = service.proxy.app
}
listener "plain" {
  address         = ["127.0.0.1:0", "[::1]:0"]
  trusted_proxies = ["127.0.0.0/8", "::1"]
  route {
    path    = ["/who"]
    service = service.proxy.app
  }
  service = service.echo.mirror
}
listener "strict" {
  address = "127.0.0.1:0"
  proxy_protocol { from = ["192.0.2.0/24"] }
  service = service.proxy.app
}
`

// A front is a way through a peer to a listener.
type front struct {
	name   string
	raw    bool   // bytes pass as they are
	http2  bool   // it takes HTTP/2 without TLS
	server string // in HAProxy: options of the server
}

var fronts = []front{
	{name: "nginx stream", raw: true},
	{name: "HAProxy tcp v1", raw: true, server: "send-proxy"},
	{name: "HAProxy tcp v2", raw: true, server: "send-proxy-v2"},
	{name: "HAProxy http v1", server: "send-proxy", http2: true},
	{name: "HAProxy http v2", server: "send-proxy-v2", http2: true},
	{name: "HAProxy http over HTTP/2", server: "send-proxy-v2 proto h2", http2: true},
}

// streets are fronts to one listener over one family, by their names.
type streets map[string]string

// build adds all fronts to a listener to the configs of both peers.
func build(n, h *seats, nginx, haproxy *strings.Builder, upstream, host string) streets {
	at := streets{}
	for i, f := range fronts {
		if f.server == "" {
			k := n.at(host)
			fmt.Fprintf(nginx, "server { listen %s; proxy_pass %s; proxy_protocol on; }\n", k.addr, upstream)
			at[f.name] = k.addr
			continue
		}
		mode := "http"
		if f.raw {
			mode = "tcp"
		}
		k := h.at(host)
		fmt.Fprintf(haproxy, "listen f%d-%d\n  mode %s\n  bind fd@%d\n  server s %s %s\n", h.fd(k), i, mode, h.fd(k), upstream, f.server)
		at[f.name] = k.addr
	}
	return at
}

// Whatever comes through a balancer is known as its client's, whatever it is.
func TestPeersInFront(t *testing.T) {
	d := testkit.Start(t, testkit.App(), fmt.Sprintf(behindPeers, application(t), teller(t)))
	n, h := &seats{t: t}, &seats{t: t}
	var nginx, haproxy, nginxHTTP strings.Builder
	shared, raw, secure := make([]streets, len(hosts)), make([]streets, len(hosts)), make([]streets, len(hosts))
	plain := make([]map[string]string, len(hosts)) // to a listener without PROXY headers, by the peer
	for i, v := range hosts {
		shared[i] = build(n, h, &nginx, &haproxy, address(t, d, "shared", v.host), v.host)
		raw[i] = build(n, h, &nginx, &haproxy, address(t, d, "raw", v.host), v.host)
		secure[i] = build(n, h, &nginx, &haproxy, address(t, d, "secure", v.host), v.host)
		k, l := n.at(v.host), h.at(v.host)
		plain[i] = map[string]string{"nginx": k.addr, "HAProxy": l.addr}
		fmt.Fprintf(&haproxy, "listen plain%d\n  mode http\n  option forwardfor\n  bind fd@%d\n  server s %s\n", i, h.fd(l), address(t, d, "plain", v.host))
		fmt.Fprintf(&nginxHTTP, `server {
  listen %s;
  location / {
    proxy_pass http://%s;
    proxy_http_version 1.1;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $http_connection;
  }
}
`, k.addr, address(t, d, "plain", v.host))
	}
	n.nginx(nginxHTTP.String(), nginx.String())
	h.haproxy(haproxy.String())

	for i, v := range hosts {
		for _, f := range fronts {
			t.Run(v.name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				overHTTP(t, d, f, v.client, shared[i][f.name])
				overTCP(t, d, f, v.client, shared[i][f.name], raw[i][f.name])
				overTLS(t, d, f, v.client, secure[i][f.name])
			})
		}
		for peer, addr := range plain[i] {
			t.Run(v.name+"/"+peer+" http", func(t *testing.T) {
				t.Parallel()
				b := newBrowser(t, v.client, http1, "")
				if got := b.ask(t, "GET", "http://"+addr+"/who", ""); got != v.client {
					t.Errorf("the application takes the client for %q", got)
				}
				webSocket(t, v.client, addr)
			})
		}
	}
}

// overHTTP tries requests and a WebSocket.
func overHTTP(t *testing.T, d *testkit.Daemon, f front, client, addr string) {
	t.Helper()
	protos := []string{http1}
	if f.raw || f.http2 {
		protos = append(protos, http2)
	}
	for _, proto := range protos {
		b := newBrowser(t, client, proto, "")
		for path, want := range map[string]string{"/who": client, "/hello": "hello", "/healthz": `{"status":"ok"}`} {
			if got := b.ask(t, "GET", "http://"+addr+path, ""); strings.TrimSpace(got) != want {
				t.Errorf("%s %s: %q, not %q", proto, path, got, want)
			}
		}
		b.converse(t, "http://"+addr+"/", func() { seen(t, d, b.addr()) })
	}
	if f.name != "HAProxy http over HTTP/2" { // which has WebSockets in HTTP/2 alone (RFC 8441)
		seen(t, d, webSocket(t, client, addr))
	}
}

// overTCP tries raw bytes, to a listener that looks what they are and to one that
// does not.
func overTCP(t *testing.T, d *testkit.Daemon, f front, client, shared, raw string) {
	t.Helper()
	if !f.raw {
		return
	}
	c := mustDial(t, client, shared)
	echoes(t, c, func() { seen(t, d, c.LocalAddr()) })
	c = mustDial(t, client, raw)
	if got, want := told(t, c), c.LocalAddr().String()+" v1"; got != want {
		t.Errorf("the server behind takes %q for the client, not %q", got, want)
	}
	echoes(t, c, func() { seen(t, d, c.LocalAddr()) })
}

// overTLS tries TLS that ends in the daemon.
func overTLS(t *testing.T, d *testkit.Daemon, f front, client, addr string) {
	t.Helper()
	if !f.raw {
		return
	}
	for _, proto := range []string{http1, http2} {
		b := newBrowser(t, client, proto, "www.example.org")
		if got := b.ask(t, "GET", "https://"+addr+"/", ""); got != client {
			t.Errorf("%s in TLS: the application takes the client for %q", proto, got)
		}
		seen(t, d, b.addr())
	}
}

// The header of a peer that is not trusted is rubbish, and a trusted one must
// send it.
func TestUntrustedPeers(t *testing.T) {
	d := testkit.Start(t, testkit.App(), fmt.Sprintf(behindPeers, application(t), teller(t)))
	n, h := &seats{t: t}, &seats{t: t}
	var nginx, haproxy strings.Builder
	strict := build(n, h, &nginx, &haproxy, address(t, d, "strict", "127.0.0.1"), "127.0.0.1")
	silent := h.at("127.0.0.1")
	fmt.Fprintf(&haproxy, "listen silent\n  mode tcp\n  bind fd@%d\n  server s %s\n", h.fd(silent), address(t, d, "shared", "127.0.0.1"))
	n.nginx("", nginx.String())
	h.haproxy(haproxy.String())
	for _, f := range fronts {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			refused(t, strict[f.name])
		})
	}
	t.Run("no header", func(t *testing.T) {
		t.Parallel()
		c := mustDial(t, "127.0.0.77", silent.addr)
		_, _ = io.WriteString(c, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
		if b, err := io.ReadAll(c); len(b) > 0 || isTimeout(err) {
			t.Errorf("%q, %v", b, err)
		}
	})
	for _, s := range d.Sockets() {
		if s.Listener == "strict" && s.Via != "" {
			t.Errorf("a client is believed in: %+v", s)
		}
	}
}

// refused makes a request that must not be answered with 200.
func refused(t *testing.T, addr string) {
	t.Helper()
	b := newBrowser(t, "127.0.0.77", http1, "")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.Do(req)
	if isTimeout(err) {
		t.Fatal(err)
	}
	if err != nil {
		return // closed without a word
	}
	defer res.Body.Close()
	// HAProxy in mode http makes an error of its own of what it does not understand.
	if body, _ := io.ReadAll(res.Body); res.StatusCode < 400 {
		t.Errorf("%s %q", res.Status, body)
	}
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool }) //nolint:errorlint // of net
	return ok && t.Timeout()
}
