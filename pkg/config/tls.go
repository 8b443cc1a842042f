package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/settings"
)

// tls checks a tls block and that its certificates can be used. It keeps no key.
func (l *loader) tls(raw *tlsBlock) *TLS {
	t := &TLS{SelfSigned: raw.SelfSigned, Redirect: raw.Redirect}
	if len(raw.Certificates) == 0 && !raw.SelfSigned {
		l.errorf(raw.Range, "TLS without a certificate",
			"Add certificate { file = ..., key = ... } on lines of their own, or self_signed = true for tests.")
	}
	for i := range raw.Certificates {
		c := &raw.Certificates[i]
		t.Certificates = append(t.Certificates, Certificate{File: string(c.File), Key: string(c.Key)})
		l.pair(c)
	}
	return t
}

func (l *loader) pair(c *certificateBlock) {
	if c.File == "" || c.Key == "" {
		return // reported as missing
	}
	chain, ok1 := l.pem(c.File, c.Range, "certificate")
	key, ok2 := l.pem(c.Key, c.Range, "key")
	if !ok1 || !ok2 {
		return
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		l.errorf(c.Range, "The certificate cannot be used", "%s", pairHint(c, err))
		return
	}
	leaf := pair.Leaf
	if leaf == nil {
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return
		}
	}
	if time.Now().After(leaf.NotAfter) {
		l.warnf(c.Range, "The certificate has expired",
			"%s was valid until %s. Clients will refuse it; renew it.", c.File, leaf.NotAfter.Format(time.DateOnly))
	}
}

// pem reads a file of a certificate block. Copies of the last good files do not
// have it: keys stay where they are.
func (l *loader) pem(path settings.Path, at hcl.Range, what string) ([]byte, bool) {
	b, err := readFile(string(path), maxFile)
	if err != nil {
		l.errorf(at, fmt.Sprintf("The %s cannot be read", what),
			"%s: %s. Check the path, and that the user portico runs as may read it.", path, reason(err))
	}
	return b, err == nil
}

// pairHint turns what crypto/tls says into what to do.
func pairHint(c *certificateBlock, err error) string {
	msg := strings.TrimPrefix(err.Error(), "tls: ")
	switch {
	case strings.Contains(msg, "private key does not match"):
		return fmt.Sprintf("The key %s belongs to another certificate than the first one in %s. "+
			"The leaf comes first in the file, then the chain.", c.Key, c.File)
	case strings.Contains(msg, "certificate input") || strings.Contains(msg, "certificate PEM"):
		return fmt.Sprintf("%s has no PEM block CERTIFICATE. Are file and key mixed up?", c.File)
	case strings.Contains(msg, "key input") || strings.Contains(msg, "private key PEM"):
		return fmt.Sprintf("%s has no PEM block with a private key. Are file and key mixed up?", c.Key)
	case strings.Contains(msg, "failed to parse private key"):
		return fmt.Sprintf("The key in %s cannot be parsed. Encrypted keys are not supported; decrypt it.", c.Key)
	}
	return fmt.Sprintf("%s with %s: %s.", c.File, c.Key, msg)
}
