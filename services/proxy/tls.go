package proxy

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/porticod/portico/pkg/settings"
)

var errClientCertificate = errors.New("the client certificate cannot be used")

// A tlsClient is how upstreams are spoken to, with the content of the files.
type tlsClient struct {
	cfg   TLS
	roots *x509.CertPool // nil: the system's
	own   []tls.Certificate
}

func newTLSClient(cfg TLS) (*tlsClient, error) {
	t := &tlsClient{cfg: cfg}
	all := sha256.New()
	// A hash never fails, and each content is told from the next by its length.
	note := func(b []byte) { _, _ = fmt.Fprintf(all, "%d %s", len(b), b) }
	if cfg.CA != "" {
		b, err := os.ReadFile(string(cfg.CA))
		if err != nil {
			return nil, err
		}
		t.roots = x509.NewCertPool()
		if !t.roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s holds no certificate", cfg.CA)
		}
		note(b)
	}
	if cfg.Certificate != "" {
		var pem [2][]byte
		for i, file := range []settings.Path{cfg.Certificate, cfg.Key} {
			b, err := os.ReadFile(string(file))
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errClientCertificate, err)
			}
			note(b)
			pem[i] = b
		}
		c, err := tls.X509KeyPair(pem[0], pem[1])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errClientCertificate, err)
		}
		t.own = []tls.Certificate{c}
	}
	if cfg.CA != "" || cfg.Certificate != "" {
		all.Sum(t.cfg.sum[:0])
	}
	return t, nil
}

func (t *tlsClient) config() *tls.Config {
	return &tls.Config{RootCAs: t.roots, Certificates: t.own, ServerName: t.cfg.ServerName, InsecureSkipVerify: t.cfg.Insecure}
}
