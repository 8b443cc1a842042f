// Package tlsconf makes TLS server configurations from certificate files, which it
// watches, from whoever answers ACME challenges, or from a self-signed certificate
// that it keeps for trying things out. It listens on nothing and talks to no CA.
package tlsconf

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// Pair names a PEM file with a chain and one with its key.
type Pair struct{ Cert, Key string }

// A Managed gives certificates that somebody else obtains and renews, and those
// that answer TLS-ALPN challenges (RFC 8737). Two that are equal are the same.
type Managed interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// Options say where certificates come from.
type Options struct {
	Pairs      []Pair
	Managed    Managed  // nil: none
	SelfSigned bool     // adds a self-signed certificate for Names and this machine
	Names      []string // host names; patterns like *.example.org are fine

	MinVersion uint16 // tls.VersionTLS12 where it is 0
	ClientCA   string // PEM file of the CAs of clients' certificates; empty: none is asked for
	ClientAuth tls.ClientAuthType
}

// ALPNChallenge is the protocol of a CA that looks for a challenge (RFC 8737).
const ALPNChallenge = "acme-tls/1"

// A Source is a listener's TLS.
type Source struct {
	opts    Options
	pairs   []*pair
	self    atomic.Pointer[tls.Certificate] // nil: none
	retry   time.Time                       // of the watcher only: when self is renewed again after a failure
	clients []byte                          // content of ClientCA
	config  *tls.Config
}

// Config is the configuration. It stays the same while files change.
func (s *Source) Config() *tls.Config { return s.config }

// Same reports whether two sources serve the same certificates to the same
// clients. Who goes on with the old one keeps what clients have agreed with it.
func Same(a, b *Source) bool {
	if a == nil || b == nil {
		return a == b
	}
	same := slices.Equal(a.opts.Pairs, b.opts.Pairs) && a.opts.Managed == b.opts.Managed &&
		a.opts.MinVersion == b.opts.MinVersion && a.opts.ClientAuth == b.opts.ClientAuth &&
		bytes.Equal(a.clients, b.clients)
	return same && slices.EqualFunc(a.own(), b.own(), func(a, b *tls.Certificate) bool {
		return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
	})
}

// own are the certificates that are not managed, in the order of preference.
func (s *Source) own() []*tls.Certificate {
	var all []*tls.Certificate
	for _, p := range s.pairs {
		all = append(all, p.cert.Load())
	}
	if self := s.self.Load(); self != nil {
		all = append(all, self)
	}
	return all
}

// An Info is what people want to know of a certificate.
type Info struct {
	Names    []string  `json:"names"`
	NotAfter time.Time `json:"not_after"`
	File     string    `json:"file,omitempty"` // empty: self-signed
}

// Certificates are those from files and the self-signed one.
func (s *Source) Certificates() []Info {
	var all []Info
	for i, c := range s.own() {
		info := Info{Names: c.Leaf.DNSNames, NotAfter: c.Leaf.NotAfter}
		if i < len(s.pairs) {
			info.File = s.pairs[i].files.Cert
		}
		all = append(all, info)
	}
	return all
}

// get chooses a certificate as crypto/tls does: the first that fits the client,
// else the first at all.
func (s *Source) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	m := s.opts.Managed
	if m != nil && slices.Contains(hello.SupportedProtos, ALPNChallenge) {
		return m.GetCertificate(hello)
	}
	own := s.own()
	if len(own) == 1 && m == nil {
		return own[0], nil
	}
	for i, c := range own {
		// The self-signed one is for names that nothing better is there for.
		if (i < len(s.pairs) || m == nil) && hello.SupportsCertificate(c) == nil {
			return c, nil
		}
	}
	var err error
	if m != nil {
		var c *tls.Certificate
		if c, err = m.GetCertificate(hello); err == nil {
			return c, nil
		}
	}
	if len(own) == 0 {
		return nil, err
	}
	return own[0], nil
}

// Load reads the certificates of a listener and makes what is missing of the
// self-signed one. It changes nothing that runs.
func (k *Keeper) Load(o Options) (*Source, error) {
	if len(o.Pairs) == 0 && !o.SelfSigned && o.Managed == nil {
		return nil, errors.New("no certificate: name certificate files, an ACME account, or set self_signed = true")
	}
	s := &Source{opts: o}
	for _, files := range o.Pairs {
		p, err := loadPair(files)
		if err != nil {
			return nil, err
		}
		s.pairs = append(s.pairs, p)
	}
	if o.SelfSigned {
		c, err := selfSigned(k.dir, o)
		if err != nil {
			return nil, fmt.Errorf("self-signed certificate in %s: %w", k.dir, err)
		}
		s.self.Store(&c)
	}
	s.config = &tls.Config{MinVersion: max(o.MinVersion, tls.VersionTLS12), GetCertificate: s.get}
	if o.Managed != nil {
		s.config.NextProtos = []string{ALPNChallenge}
	}
	if err := s.loadClients(); err != nil {
		return nil, err
	}
	k.shareTickets(s)
	return s, nil
}

// maxFile bounds a PEM file in bytes.
const maxFile = 1 << 20

// loadClients reads the CAs of clients.
func (s *Source) loadClients() (err error) {
	if s.opts.ClientCA == "" {
		return nil
	}
	if s.clients, err = os.ReadFile(s.opts.ClientCA); err != nil {
		return fmt.Errorf("CAs of clients: %w", err)
	}
	if len(s.clients) > maxFile {
		return fmt.Errorf("CAs of clients: %s is larger than 1 MiB", s.opts.ClientCA)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.clients) {
		return fmt.Errorf("CAs of clients: %s has no PEM block CERTIFICATE", filepath.Base(s.opts.ClientCA))
	}
	s.config.ClientCAs, s.config.ClientAuth = pool, s.opts.ClientAuth
	return nil
}

// tag tells tickets of sources apart that let different clients in: what one
// has agreed with a client is worth nothing to another.
func (s *Source) tag() []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d\n", s.config.ClientAuth, s.config.MinVersion)
	h.Write(s.clients)
	return h.Sum(nil)[:16]
}
