// Package tlsconf makes TLS server configurations from certificate files, or
// from a self-signed certificate that it keeps for trying things out.
package tlsconf

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/porticod/portico/pkg/durable"
)

// Pair names a PEM file with a chain and one with its key.
type Pair struct{ Cert, Key string }

// Options say where certificates come from.
type Options struct {
	Pairs      []Pair
	SelfSigned bool     // adds a self-signed certificate for Names and this machine
	Names      []string // host names; patterns like *.example.org are fine
	Dir        string   // where a self-signed certificate is kept, made with mode 0700
}

// validity of a self-signed certificate: what browsers accept at most of
// others, 398 days, less a margin. It is renewed at a load in its last month.
const (
	validity = 397 * 24 * time.Hour
	renewal  = 30 * 24 * time.Hour
)

// Load reads the certificates. Among several, crypto/tls picks the first that
// fits the client's server_name and signature algorithms.
func Load(o Options) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, p := range o.Pairs {
		c, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", p.Cert, p.Key, err)
		}
		cfg.Certificates = append(cfg.Certificates, c)
	}
	if o.SelfSigned {
		c, err := selfSigned(o)
		if err != nil {
			return nil, fmt.Errorf("self-signed certificate in %s: %w", o.Dir, err)
		}
		cfg.Certificates = append(cfg.Certificates, c)
	}
	if len(cfg.Certificates) == 0 {
		return nil, errors.New("no certificate: name certificate files or set self_signed = true")
	}
	return cfg, nil
}

// Same reports whether two configurations that Load made serve the same
// certificates. Who goes on with the old one keeps its session tickets good.
func Same(a, b *tls.Config) bool {
	return slices.EqualFunc(a.Certificates, b.Certificates, func(a, b tls.Certificate) bool {
		return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
	})
}

// selfSigned returns the kept certificate while it is good for all names, so
// that people who trusted it once need not do so after each start.
func selfSigned(o Options) (tls.Certificate, error) {
	names := slices.Concat([]string{"localhost", "127.0.0.1", "::1"}, o.Names)
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	file := filepath.Join(o.Dir, "self-signed.pem")
	if c, err := tls.LoadX509KeyPair(file, file); err == nil && covers(c.Leaf, names) {
		return c, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return tls.Certificate{}, err
	}
	pemBytes, err := generate(names)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return tls.Certificate{}, err
	}
	if err := durable.WriteFile(file, 0o600, pemBytes); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(pemBytes, pemBytes)
}

func covers(leaf *x509.Certificate, names []string) bool {
	if time.Until(leaf.NotAfter) < renewal {
		return false
	}
	have := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		have = append(have, ip.String())
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(have, n) })
}

func generate(names []string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "portico self-signed"},
		NotBefore:    time.Now().Add(-time.Hour), // clocks differ
		NotAfter:     time.Now().Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})...), nil
}
