package options_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A signer makes certificates: a CA, or who a CA has signed.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate for name, by s or, where that is nil, by itself as a
// CA.
func (s *signer) issue(t *testing.T, name string) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	parent := &signer{tmpl, key}
	if s != nil {
		parent = s
	} else {
		tmpl.IsCA, tmpl.KeyUsage = true, x509.KeyUsageCertSign
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{cert, key}
}

// write makes NAME.pem and NAME.key in dir.
func (s *signer) write(t *testing.T, dir, name string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: s.cert.Raw}, name + ".key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *signer) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.cert)
	return pool
}

func (s *signer) pair() []tls.Certificate {
	return []tls.Certificate{{Certificate: [][]byte{s.cert.Raw}, PrivateKey: s.key}}
}

// option: listener.tls.certificate.file listener.tls.certificate.key listener.tls.self_signed listener.tls.redirect
// option: listener.tls.min_version listener.tls.client_ca listener.tls.client_auth
// option: listener.tls.acme.email listener.tls.acme.on_demand listener.tls.acme.directory listener.tls.acme.roots in test/acme/acme_linux_test.go
// option: listener.tls.acme.names listener.tls.acme.key_id listener.tls.acme.mac_key listener.tls.acme.http_port listener.tls.acme.tls_port in test/acme/account_linux_test.go
// option: listener.route.sni listener.route.alpn listener.route.protocol
func TestTLS(t *testing.T) {
	t.Parallel()
	var none *signer
	dir, ca := t.TempDir(), none.issue(t, "ca")
	ca.write(t, dir, "ca")
	ca.issue(t, "a.test").write(t, dir, "a")
	ca.issue(t, "b.test").write(t, dir, "b")
	d := start(t, `
variable "dir" {}
service "respond" "plain" { body = "plain" }
service "respond" "named" { body = "named" }
service "echo" "raw" {}
listener "files" {
  address = "127.0.0.1:0"
  service = service.respond.plain
  tls {
    certificate {
      file = "${var.dir}/a.pem"
      key  = "${var.dir}/a.key"
    }
    certificate {
      file = "${var.dir}/b.pem"
      key  = "${var.dir}/b.key"
    }
    min_version = "1.3"
    redirect    = true
  }
  route {
    sni     = "*.named.test"
    service = service.respond.named
  }
  route {
    protocol = "ssh"
    service  = service.echo.raw
  }
}
listener "members" {
  address = "127.0.0.1:0"
  service = service.respond.plain
  tls {
    self_signed = true
    client_ca   = "${var.dir}/ca.pem"
  }
}
listener "guests" {
  address = "127.0.0.1:0"
  service = service.respond.plain
  tls {
    self_signed = true
    client_ca   = "${var.dir}/ca.pem"
    client_auth = "request"
  }
}
listener "passing" {
  address = "127.0.0.1:0"
  tls { self_signed = true }
  service = service.respond.plain
  route {
    protocol = "tls"
    alpn     = ["acme-tls/1"]
    service  = service.echo.raw
  }
}
`, "dir", dir)

	files := d.Addr("files")
	for _, name := range []string{"a.test", "b.test"} {
		c := tlsClient(&tls.Config{RootCAs: ca.pool(), ServerName: name})
		askWith(t, c, http.MethodGet, "https://"+files, "").is(t, http.StatusOK, "plain")
	}
	old := tlsClient(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if _, err := try(t, old, http.MethodGet, "https://"+files, ""); err == nil {
		t.Error("TLS 1.2 was spoken with min_version 1.3")
	}
	askWith(t, old, http.MethodGet, d.URL("passing"), "").is(t, http.StatusOK, "plain")
	named := tlsClient(&tls.Config{InsecureSkipVerify: true, ServerName: "x.named.test"})
	askWith(t, named, http.MethodGet, "https://"+files, "", "Host", "x.named.test").is(t, http.StatusOK, "named")
	a := get(t, "http://"+files+"/x?y", "Host", "a.test")
	a.is(t, http.StatusPermanentRedirect, "")
	a.has(t, "Location", "https://a.test/x?y")
	get(t, "http://"+d.Addr("passing")+"/").is(t, http.StatusBadRequest, "")
	c := dial(t, files)
	send(t, c, "SSH-2.0-x\r\n")
	if got := line(t, c); got != "SSH-2.0-x\r" {
		t.Errorf("echo over ssh's route: %q", got)
	}

	stranger := none.issue(t, "stranger")
	for who, certs := range map[string][]tls.Certificate{"member": ca.issue(t, "member").pair(), "stranger": stranger.pair(), "nobody": nil} {
		conf := &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if certs == nil {
				return &tls.Certificate{}, nil
			}
			return &certs[0], nil // also one that the server does not want
		}}
		_, err := try(t, tlsClient(conf), http.MethodGet, d.URL("members"), "")
		if (err == nil) != (who == "member") {
			t.Errorf("client_auth require, %s: %v", who, err)
		}
		if _, err = try(t, tlsClient(conf), http.MethodGet, d.URL("guests"), ""); (err == nil) != (who != "stranger") {
			t.Errorf("client_auth request, %s: %v", who, err)
		}
	}
	passedOn(t, d.Addr("passing"))
}

// passedOn sends a ClientHello, which echo sends back: nobody ended TLS.
func passedOn(t *testing.T, addr string) {
	t.Helper()
	front, back := net.Pipe()
	defer front.Close()
	defer back.Close()
	go func() {
		_ = tls.Client(front, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}}).Handshake()
	}()
	_ = back.SetDeadline(time.Now().Add(patience))
	hello := make([]byte, 4096)
	n, err := back.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, addr)
	send(t, c, string(hello[:n]))
	got := make([]byte, n)
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, hello[:n]) {
		t.Errorf("the ClientHello did not come back: %v", err)
	}
}

// A pair of files that is replaced serves new connections, without a reload; a
// connection that is open notices nothing.
func TestCertificatesAreSwapped(t *testing.T) {
	t.Parallel()
	var none *signer
	dir, ca := t.TempDir(), none.issue(t, "ca")
	first, second := ca.issue(t, "a.test"), ca.issue(t, "a.test")
	first.write(t, dir, "a")
	d := start(t, `
variable "dir" {}
service "respond" "hello" { body = "hello" }
listener "web" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  tls {
    certificate {
      file = "${var.dir}/a.pem"
      key  = "${var.dir}/a.key"
    }
  }
}
`, "dir", dir)
	shown := func() (*tls.Conn, string) {
		c := tls.Client(dial(t, d.Addr("web")), &tls.Config{RootCAs: ca.pool(), ServerName: "a.test"})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		return c, c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	c, serial := shown()
	if serial != first.cert.SerialNumber.String() || answered(t, c) != http.StatusOK {
		t.Fatalf("%s is shown", serial)
	}
	second.write(t, dir, "a")
	d.Eventually("the new certificate is shown", func() bool {
		other, serial := shown()
		_ = other.Close()
		return serial == second.cert.SerialNumber.String()
	})
	if got := answered(t, c); got != http.StatusOK {
		t.Errorf("the connection from before: %d", got)
	}
}
