package tlsconf_test

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
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/tlsconf"
)

// A testCA issues certificates and, where ocsp is set, speaks about them.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	ocsp string
}

func newCA(t *testing.T, name string) *testCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &testCA{cert: cert, key: key}
}

// issue writes a chain and its key for name into dir, the key first.
func (ca *testCA) issue(t *testing.T, dir, name string) tlsconf.Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ca.ocsp != "" {
		tmpl.OCSPServer = []string{ca.ocsp}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := strings.ReplaceAll(name, "*", "any")
	p := tlsconf.Pair{Cert: filepath.Join(dir, file+".pem"), Key: filepath.Join(dir, file+".key")}
	writePEM(t, p.Key, "PRIVATE KEY", pk)
	writePEM(t, p.Cert, "CERTIFICATE", der, ca.cert.Raw)
	return p
}

func (ca *testCA) file(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "ca.pem")
	writePEM(t, name, "CERTIFICATE", ca.cert.Raw)
	return name
}

func writePEM(t *testing.T, file, kind string, blocks ...[]byte) {
	t.Helper()
	var b bytes.Buffer
	for _, der := range blocks {
		if err := pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The CA's word is stapled where the certificate says that there is one, and
// only a good one.
func TestTheCAsWordIsStapled(t *testing.T) {
	ca := newCA(t, "a CA")
	var mu sync.Mutex
	status := ocsp.Revoked
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		req, err := ocsp.ParseRequest(body)
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		word, err := ocsp.CreateResponse(ca.cert, ca.cert, ocsp.Response{
			Status: status, SerialNumber: req.SerialNumber, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		}, ca.key)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(word)
	}))
	defer srv.Close()
	ca.ocsp = srv.URL
	dir := t.TempDir()
	k := keeper(t, dir)
	s := load(t, k, tlsconf.Options{Pairs: []tlsconf.Pair{ca.issue(t, dir, "a.example.org")}})
	staple := func() []byte {
		st, err := handshake(s, &tls.Config{ServerName: "a.example.org", InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		return st.OCSPResponse
	}
	k.Use([]*tlsconf.Source{s})
	logged(t, "has revoked the certificate")
	if staple() != nil {
		t.Error("a revocation was stapled")
	}
	mu.Lock()
	status = ocsp.Good
	mu.Unlock()
	ca.issue(t, dir, "a.example.org") // is asked about at once
	wait.Until(t, "a staple", func() bool { return staple() != nil })
}
