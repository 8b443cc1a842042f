package tlsconf

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"
)

// A staple says until when a CA's word about a certificate serves, and when to
// ask again. Most CAs have stopped giving it; then there is nothing to do.
type staple struct {
	ask     time.Time // not before; zero: at once
	expires time.Time // of the word that is stapled; zero: there is none
}

// due reports whether to ask. A word may expire before its time to ask: a machine
// that slept, or whose clock was put forward, has waited less than it missed.
func (s *staple) due(now time.Time) bool { return !now.Before(s.ask) || s.expired(now) }

func (s *staple) expired(now time.Time) bool { return !s.expires.IsZero() && now.After(s.expires) }

// askAfter is when to ask again for a word of a CA. By its own times it is not long
// in any case; a clock that is wrong now, and right in a moment, may say years.
func askAfter(now, this, next time.Time) time.Duration {
	return max(stapleRetry, min(next.Sub(now), next.Sub(this))/2)
}

const (
	stapleTimeout = 10 * time.Second
	stapleRetry   = 10 * time.Minute
	maxStaple     = 64 << 10 // bytes of an answer
)

// keepStapled asks the CA of a certificate from a file for its word, where the
// certificate says that there is one (RFC 6960), and staples it (RFC 6066 section
// 8). Without an answer the old one serves while it is good.
func (k *Keeper) keepStapled(ctx context.Context, p *pair) {
	c, now := p.cert.Load(), time.Now()
	if len(c.Leaf.OCSPServer) == 0 || len(c.Certificate) < 2 || !p.staple.due(now) {
		return
	}
	word, raw, err := askOCSP(ctx, c)
	if err != nil {
		p.staple.ask = now.Add(stapleRetry)
		k.log.Warn().Err(err).Str("file", p.files.Cert).Msg("no OCSP staple")
		if p.staple.expired(now) {
			p.staple.expires = time.Time{}
			p.cert.Store(withStaple(c, nil))
		}
		return
	}
	p.staple.expires = word.NextUpdate
	p.staple.ask = now.Add(askAfter(now, word.ThisUpdate, word.NextUpdate))
	p.cert.Store(withStaple(c, raw))
}

// withStaple is a copy of c: handshakes use the old one at the same time.
func withStaple(c *tls.Certificate, raw []byte) *tls.Certificate {
	stapled := *c
	stapled.OCSPStaple = raw
	return &stapled
}

// askOCSP returns a word that the certificate is good.
func askOCSP(ctx context.Context, c *tls.Certificate) (*ocsp.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, stapleTimeout)
	defer cancel()
	issuer, err := x509.ParseCertificate(c.Certificate[1])
	if err != nil {
		return nil, nil, err
	}
	ask, err := ocsp.CreateRequest(c.Leaf, issuer, nil)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Leaf.OCSPServer[0], bytes.NewReader(ask))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxStaple))
	if err != nil {
		return nil, nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("ask %s: %s", c.Leaf.OCSPServer[0], res.Status)
	}
	word, err := ocsp.ParseResponseForCert(raw, c.Leaf, issuer)
	switch {
	case err != nil:
		return nil, nil, err
	case word.Status != ocsp.Good:
		return nil, nil, errors.New("the CA has revoked the certificate")
	case word.NextUpdate.Before(time.Now()):
		return nil, nil, errors.New("the CA's word has expired")
	}
	return word, raw, nil
}
