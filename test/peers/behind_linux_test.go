package peers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
)

// What nginx answers: whom it takes for the client, told by a PROXY header or by
// X-Forwarded-For.
const nginxBehind = `
set_real_ip_from 127.0.0.0/8;
server {
  listen %[1]s proxy_protocol;
  real_ip_header proxy_protocol;
  location /remote { return 200 "$remote_addr"; }
  location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port"; }
  location /echo {
    proxy_pass http://%[5]s;
    proxy_http_version 1.1;
    proxy_set_header X-Forwarded-For $proxy_protocol_addr;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $http_connection;
  }
}
server {
  listen %[2]s proxy_protocol ssl http2;
  ssl_certificate %[4]s;
  ssl_certificate_key %[4]s;
  location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port $ssl_server_name $server_protocol"; }
}
server {
  listen %[3]s;
  real_ip_header X-Forwarded-For;
  location / { return 200 "$remote_addr"; }
}
`

const nginxStreamBehind = `
server {
  listen %[1]s proxy_protocol;
  return "$proxy_protocol_addr:$proxy_protocol_port\n";
}
`

const haproxyBehind = `
frontend http
  mode http
  bind fd@%[1]d accept-proxy
  http-request return status 200 content-type text/plain lf-string %%ci:%%cp if !{ path /echo }
  default_backend echo
backend echo
  mode http
  server s %[6]s send-proxy-v2
frontend secure
  mode http
  bind fd@%[2]d accept-proxy ssl crt %[7]s alpn h2,http/1.1
  http-request return status 200 content-type text/plain lf-string "%%ci:%%cp %%[ssl_fc_sni] %%HV"
frontend plain
  mode http
  bind fd@%[3]d
  http-request return status 200 content-type text/plain lf-string %%[req.hdr(X-Forwarded-For)]
listen tcp
  mode tcp
  bind fd@%[4]d accept-proxy
  server s %[5]s send-proxy-v2
`

// behind are the sockets of the peers.
type behind struct {
	nginxHTTP, nginxTLS, nginxPlain, nginxStream         *seat
	haproxyHTTP, haproxyTLS, haproxyPlain, haproxyStream *seat
}

// startBehind starts a daemon with a relay for each peer and version, and peers
// that for WebSockets hand on to the same daemon.
func startBehind(t *testing.T) *testkit.Daemon {
	t.Helper()
	n, h := &seats{t: t}, &seats{t: t}
	at := func(s *seats) *seat { return s.at("127.0.0.1") }
	b := behind{at(n), at(n), at(n), at(n), at(h), at(h), at(h), at(h)}
	d := testkit.Start(t, testkit.App(), b.config())
	cert := n.write("cert.pem", certificate(t))
	n.nginx(fmt.Sprintf(nginxBehind, b.nginxHTTP.addr, b.nginxTLS.addr, b.nginxPlain.addr, cert, address(t, d, "trusting", "127.0.0.1")),
		fmt.Sprintf(nginxStreamBehind, b.nginxStream.addr))
	h.haproxy(fmt.Sprintf(haproxyBehind, h.fd(b.haproxyHTTP), h.fd(b.haproxyTLS), h.fd(b.haproxyPlain), h.fd(b.haproxyStream),
		teller(t), address(t, d, "mirror", "127.0.0.1"), cert))
	return d
}

// config is the daemon's.
func (b *behind) config() string {
	var c strings.Builder
	c.WriteString(`
data_dir = "data"
log { level = "warn" }
service "echo" "mirror" {}
listener "mirror" {
  address = "127.0.0.1:0"
  proxy_protocol { from = ["127.0.0.1"] }
  service = service.echo.mirror
}
listener "trusting" {
  address         = "127.0.0.1:0"
  trusted_proxies = ["127.0.0.1"]
  service         = service.echo.mirror
}
`)
	listen := func(name, what string) {
		fmt.Fprintf(&c, "listener %q {\n  address = [\"127.0.0.1:0\", \"[::1]:0\"]\n  %s\n}\n", name, what)
	}
	for name, to := range map[string]*seat{
		"nginx-http": b.nginxHTTP, "nginx-stream": b.nginxStream, "nginx-tls": b.nginxTLS,
		"haproxy-http": b.haproxyHTTP, "haproxy-stream": b.haproxyStream, "haproxy-tls": b.haproxyTLS,
	} {
		for _, version := range []string{"v1", "v2"} {
			fmt.Fprintf(&c, "service \"tcp\" \"%s-%s\" {\n  upstreams = [%q]\n  send_proxy = %q\n}\n", name, version, to.addr, version)
			listen(name+"-"+version, "service = service.tcp."+name+"-"+version)
		}
	}
	for name, to := range map[string]string{
		"nginx": "http://" + b.nginxPlain.addr, "haproxy": "http://" + b.haproxyPlain.addr, "haproxy-h2c": "h2c://" + b.haproxyPlain.addr,
	} {
		fmt.Fprintf(&c, "service \"proxy\" %q { upstreams = [%q] }\n", name, to)
		listen("proxy-"+name, "service = service.proxy."+name)
	}
	for _, version := range []string{"v1", "v2"} {
		var routes strings.Builder
		for _, peer := range []string{"nginx", "haproxy"} {
			fmt.Fprintf(&routes, "route {\n  protocol = \"tls\"\n  sni = [\"%[1]s.example.org\"]\n  service = service.tcp.%[1]s-tls-%[2]s\n}\n", peer, version)
		}
		listen("sni-"+version, routes.String()+"service = service.echo.mirror")
	}
	return c.String()
}

// What the daemon tells peers behind it of the client is what they go by.
func TestPeersBehind(t *testing.T) {
	d := startBehind(t)
	for _, v := range hosts {
		at := func(listener string) string { return address(t, d, listener, v.host) }
		for _, version := range []string{"v1", "v2"} {
			for _, peer := range []string{"nginx", "haproxy"} {
				t.Run(strings.Join([]string{v.name, version, peer}, "/"), func(t *testing.T) {
					t.Parallel()
					relayed(t, d, at, v.client, peer, version)
				})
			}
		}
		for _, peer := range []string{"nginx", "haproxy", "haproxy-h2c"} {
			for _, proto := range []string{http1, http2} {
				t.Run(strings.Join([]string{v.name, "proxy", peer, proto}, "/"), func(t *testing.T) {
					t.Parallel()
					b := newBrowser(t, v.client, proto, "")
					if got := b.ask(t, "GET", "http://"+at("proxy-"+peer)+"/", ""); got != v.client {
						t.Errorf("it takes %q for the client, not %q", got, v.client)
					}
				})
			}
		}
	}
}

// relayed tries everything that passes the relay to a peer.
func relayed(t *testing.T, d *testkit.Daemon, at func(string) string, client, peer, version string) {
	t.Helper()
	b := newBrowser(t, client, http1, "")
	if got := b.ask(t, "GET", "http://"+at(peer+"-http-"+version)+"/", ""); got != plainAddr(b) {
		t.Errorf("HTTP: it takes %q for the client, not %v", got, b.addr())
	}

	if peer == "nginx" {
		if got := b.ask(t, "GET", "http://"+at(peer+"-http-"+version)+"/remote", ""); got != client {
			t.Errorf("HTTP: $remote_addr is %q, not %s", got, client)
		}
	}

	c := mustDial(t, client, at(peer+"-stream-"+version))
	want := c.LocalAddr().String()
	if peer == "haproxy" { // and passes it on, in a header of its own
		if got := told(t, c); got != want+" v2" {
			t.Errorf("TCP: it takes %q for the client, not %q", got, want)
		}
		echoes(t, c, func() {})
	} else if got := told(t, c); got != unbracket(want) {
		t.Errorf("TCP: it takes %q for the client, not %q", got, want)
	}

	for proto, says := range map[string]string{http1: "HTTP/1.1", http2: "HTTP/2.0"} {
		name := peer + ".example.org"
		b := newBrowser(t, client, proto, name)
		if got := b.ask(t, "GET", "https://"+at("sni-"+version)+"/", ""); got != plainAddr(b)+" "+name+" "+says {
			t.Errorf("%s in TLS passed on: it says %q of %v", proto, got, b.addr())
		}
	}

	// Through the daemon, the peer and the daemon again.
	addr := webSocket(t, client, at(peer+"-http-"+version)+"/echo")
	if peer == "haproxy" {
		seen(t, d, addr)
	}
}

// plainAddr is the browser's address as both peers write it, IPv6 without
// brackets.
func plainAddr(b *browser) string { return unbracket(b.addr().String()) }

func unbracket(addr string) string { return strings.NewReplacer("[", "", "]", "").Replace(addr) }

// Who expects a header turns away who sends none, which shows that it is the
// header that tells.
func TestPeersBehindWantTheHeader(t *testing.T) {
	n, h := &seats{t: t}, &seats{t: t}
	b := behind{nginxHTTP: n.at("127.0.0.1"), haproxyHTTP: h.at("127.0.0.1")}
	d := testkit.Start(t, testkit.App(), fmt.Sprintf(`
data_dir = "data"
log { level = "error" }
service "tcp" "nginx" { upstreams = [%q] }
service "tcp" "haproxy" { upstreams = [%q] }
listener "nginx" {
  address = "127.0.0.1:0"
  service = service.tcp.nginx
}
listener "haproxy" {
  address = "127.0.0.1:0"
  service = service.tcp.haproxy
}
`, b.nginxHTTP.addr, b.haproxyHTTP.addr))
	n.nginx("server {\n listen "+b.nginxHTTP.addr+" proxy_protocol;\n return 200 in;\n}", "")
	h.haproxy(fmt.Sprintf("frontend f\n  mode http\n  bind fd@%d accept-proxy\n  http-request return status 200\n", h.fd(b.haproxyHTTP)))
	for _, peer := range []string{"nginx", "haproxy"} {
		br := newBrowser(t, "127.0.0.1", http1, "")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL(peer), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Scheme = "http"
		res, err := br.Do(req)
		if isTimeout(err) {
			t.Errorf("%s: %v", peer, err)
		}
		if err == nil {
			_ = res.Body.Close()
			t.Errorf("%s: %s", peer, res.Status)
		}
	}
}

// certificate is one with its key, in one file as HAProxy wants it.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "peers"}, DNSNames: []string{"*.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}
