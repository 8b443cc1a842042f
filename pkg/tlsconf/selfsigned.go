package tlsconf

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/porticod/portico/pkg/durable"
)

// validity of a self-signed certificate: what browsers accept at most of
// others, 398 days, less a margin. It is renewed in its last month.
const (
	validity = 397 * 24 * time.Hour
	renewal  = 30 * 24 * time.Hour

	renewRetry = time.Minute // after a failure
)

// written is a moment before anybody ran this. A clock that shows an earlier one,
// as those that start in 1970, is wrong for sure, and will be set soon.
func written() time.Time { return time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC) }

// selfSigned returns the kept certificate while it is good for all names, so
// that people who trusted it once need not do so after each start.
func selfSigned(dir string, o Options) (tls.Certificate, error) {
	now := time.Now()
	names := slices.Concat([]string{"localhost", "127.0.0.1", "::1"}, o.Names)
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	file := filepath.Join(dir, "self-signed.pem")
	if c, err := tls.LoadX509KeyPair(file, file); err == nil && inTime(c.Leaf, now) && covers(c.Leaf, names) {
		return c, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return tls.Certificate{}, err
	}
	pemBytes, err := generate(names, now)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return tls.Certificate{}, err
	}
	if err := durable.WriteFile(file, 0o600, pemBytes); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(pemBytes, pemBytes)
}

// inTime reports whether a certificate is good at now and for a while. One of the
// future was made while the clock was ahead. A clock that is wrong for sure has no
// say: what is good will be so when it is right.
func inTime(leaf *x509.Certificate, now time.Time) bool {
	if now.Before(written()) {
		return true
	}
	return leaf.NotAfter.Sub(now) >= renewal && !leaf.NotBefore.After(now)
}

func covers(leaf *x509.Certificate, names []string) bool {
	have := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		have = append(have, ip.String())
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(have, n) })
}

// generate makes a certificate. Made by a clock that is wrong for sure, it should
// be good when that is right.
func generate(names []string, now time.Time) ([]byte, error) {
	if now.Before(written()) {
		now = written()
	}
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
		NotBefore:    now.Add(-time.Hour), // clocks differ
		NotAfter:     now.Add(validity),
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

// renew takes another self-signed certificate where the time of the old one is
// nearly over, or the clock was set.
func (k *Keeper) renew(s *Source, now time.Time) {
	old := s.self.Load()
	if old == nil || now.Before(s.retry) || inTime(old.Leaf, now) {
		return
	}
	c, err := selfSigned(k.dir, s.opts)
	if err != nil {
		s.retry = now.Add(renewRetry)
		k.log.Warn().Err(err).Msg("the self-signed certificate cannot be renewed; the old one goes on serving")
		return
	}
	s.self.Store(&c)
	k.log.Info().Time("not_after", c.Leaf.NotAfter).Msg("self-signed certificate renewed")
}
