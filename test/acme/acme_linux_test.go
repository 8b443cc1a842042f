package acme_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/internal/testkit/program"
	"github.com/porticod/portico/internal/testkit/wait"
)

const base = `
data_dir = "data"
service "respond" "hello" { body = "hello" }
`

// A name gets its certificate over port 443 alone, by TLS-ALPN-01, and after a
// restart serves it at once, with the CA away.
func TestOverPort443(t *testing.T) {
	ca := startCA(t)
	d := testkit.StartBinary(t, program.Shipped(t), base+ca.listener("443", "", `host = ["www.example.test"]`))
	first := ca.certificate(t, "www.example.test")
	if body := ca.get(t, "https://www.example.test/"); body != "hello" {
		t.Errorf("answered %q", body)
	}
	ca.stop()
	d.Stop()
	d = testkit.RestartBinary(t, d, program.Shipped(t))
	if again := ca.certificate(t, "www.example.test"); !again.Equal(first) {
		t.Error("the restart lost the certificate")
	}
	if st := d.Status().Listeners[0].Certificates; len(st) != 1 || !st[0].Managed || !st[0].NotAfter.Equal(first.NotAfter) {
		t.Errorf("status says %+v", st)
	}
}

// A name gets its certificate over port 80, by HTTP-01, from a listener that
// otherwise redirects; a reload adds a name.
func TestOverPort80(t *testing.T) {
	ca := startCA(t)
	plain := `
service "redirect" "https" { to = "https://{host}{uri}" }
listener "plain" { service = service.redirect.https }
`
	d := testkit.StartBinary(t, program.Shipped(t), base+plain+ca.listener("8443", "", `host = ["a.example.test"]`))
	ca.certificate(t, "a.example.test", "8443")
	if r := d.Reload(base + plain + ca.listener("8443", "", `host = ["a.example.test", "b.example.test"]`)); !r.OK {
		t.Fatalf("reload: %+v", r)
	}
	ca.certificate(t, "b.example.test", "8443")
	ca.certificate(t, "a.example.test", "8443")
}

// Allowed names get one when they are asked for, others do not.
func TestOnDemand(t *testing.T) {
	ca := startCA(t)
	testkit.StartBinary(t, program.Shipped(t), base+ca.listener("443", `on_demand = ["*.shops.example.test"]`, ``))
	ca.certificate(t, "one.shops.example.test")
	if _, err := ca.handshake("one.other.example.test", "443"); err == nil {
		t.Error("a name that nobody allowed got a certificate")
	}
	if strings.Contains(ca.log.String(), "other.example.test") {
		t.Error("the CA was asked for a name that nobody allowed")
	}
}

// A CA is Pebble, with a DNS that leads every name to loopback.
type CA struct {
	root   string // file of the certificate of its API
	issued *x509.CertPool
	log    *buffer.Buffer
	cmd    *exec.Cmd
	done   chan struct{}
}

// startCA starts one. more are options of it in JSON, in place of the usual ports.
func startCA(t *testing.T, more ...string) *CA {
	t.Helper()
	startDNS(t)
	dir := t.TempDir()
	cert, key := apiCertificate(t, dir)
	conf := filepath.Join(dir, "pebble.json")
	ports := append(more, `"httpPort": 80, "tlsPort": 443`)[0]
	text := fmt.Sprintf(`{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
		"certificate": %q, "privateKey": %q, %s, "retryAfter": {"authz": 1, "order": 1},
		"profiles": {"default": {"description": "one", "validityPeriod": 7776000}}}}`, cert, key, ports)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := &CA{root: cert, log: &buffer.Buffer{}, done: make(chan struct{})}
	ca.cmd = exec.Command(filepath.Join(os.Getenv(insideEnv), "pebble"), "-config", conf, "-strict", "-dnsserver", "127.0.0.1:8053")
	ca.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	ca.cmd.Stdout, ca.cmd.Stderr = ca.log, ca.log
	if err := ca.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(ca.done); _ = ca.cmd.Wait() }()
	t.Cleanup(func() {
		ca.stop()
		if t.Failed() {
			t.Logf("the CA said:\n%s", ca.log.String())
		}
	})
	ca.issued = ca.roots(t)
	return ca
}

func (ca *CA) stop() {
	_ = ca.cmd.Process.Kill()
	<-ca.done
}

// roots waits for the CA and asks what it signs with.
func (ca *CA) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	var body []byte
	wait.Works(t, "the CA's root", func() error {
		res, err := client.Get("https://127.0.0.1:15000/roots/0")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		body, err = io.ReadAll(res.Body)
		return err
	})
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(body) {
		t.Fatalf("no certificate in %s", body)
	}
	return pool
}

// listener is a listener's block with an account with this CA.
func (ca *CA) listener(port, acme, route string) string {
	if route != "" {
		route = "route {\n" + route + "\nservice = service.respond.hello\n}\n"
	}
	return fmt.Sprintf(`
listener "web" {
  address = ":%s"
  service = service.respond.hello
  %s
  tls {
    acme {
      email     = "ops@example.test"
      directory = "https://127.0.0.1:14000/dir"
      roots     = %q
      %s
    }
  }
}
`, port, route, ca.root, acme)
}

// certificate waits until name has a certificate of the CA.
func (ca *CA) certificate(t *testing.T, name string, port ...string) *x509.Certificate {
	t.Helper()
	var leaf *x509.Certificate
	wait.Works(t, "a certificate for "+name, func() (err error) {
		leaf, err = ca.handshake(name, append(port, "443")[0])
		return err
	})
	return leaf
}

func (ca *CA) handshake(name, port string) (*x509.Certificate, error) {
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 30 * time.Second}, Config: &tls.Config{ServerName: name, RootCAs: ca.issued}}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", "127.0.0.1:"+port)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

func (ca *CA) get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.issued},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:443")
		},
	}}
	defer client.CloseIdleConnections()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// startDNS leads every name to 127.0.0.1. It answers over TCP, as Pebble asks.
func startDNS(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:8053")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	s := &dns.Server{Listener: l, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, one := range q.Question {
			if one.Qtype == dns.TypeA {
				m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: one.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)})
			}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() { _ = s.Shutdown() })
}

// apiCertificate makes the certificate of the CA's own address, which is its
// own root.
func apiCertificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "api.pem"), filepath.Join(dir, "api.key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pk}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
