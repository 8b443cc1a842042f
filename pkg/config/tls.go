package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/settings"
)

// tls checks a tls block. Its certificates were checked when they were decoded.
func (l *loader) tls(raw *tlsBlock) *TLS {
	t := &TLS{
		SelfSigned: raw.SelfSigned, Redirect: raw.Redirect, MinVersion: tls.VersionTLS12,
		ClientCA: string(raw.ClientCA), ClientAuth: raw.ClientAuth,
	}
	if raw.MinVersion == "1.3" {
		t.MinVersion = tls.VersionTLS13
	}
	if len(raw.Certificates) == 0 && raw.ACME == nil && !raw.SelfSigned {
		l.errorf(raw.Range, "TLS without a certificate",
			"Add a block certificate with file and key, a block acme to get one from a CA, or self_signed = true for tests.")
	}
	if raw.ACME != nil {
		t.ACME = l.acmeAccount(raw.ACME)
	}
	for i := range raw.Certificates {
		c := &raw.Certificates[i]
		t.Certificates = append(t.Certificates, Certificate{File: string(c.File), Key: string(c.Key)})
		if leaf, err := c.leaf(); err == nil && time.Now().After(leaf.NotAfter) {
			l.warnf(c.Range, "The certificate has expired",
				"%s was valid until %s. Clients will refuse it; renew it.", shortName(string(c.File)), leaf.NotAfter.Format(time.DateOnly))
		}
	}
	return t
}

// Validate implements settings.Validator.
func (t *tlsBlock) Validate() error {
	err := errors.Join(oneOf("min_version", t.MinVersion, "1.2", "1.3"), oneOf("client_auth", t.ClientAuth, "require", "request"))
	if t.ClientCA == "" {
		return err
	}
	pem, readErr := readPEM("client_ca", t.ClientCA)
	if readErr == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		readErr = noCertificate("client_ca", t.ClientCA)
	}
	return errors.Join(err, readErr)
}

func noCertificate(attr string, path settings.Path) error {
	return &settings.Error{
		Attr: attr, Summary: "There is no certificate in the file",
		Detail: fmt.Sprintf("%s has no PEM block CERTIFICATE that can be read. Name the certificates of the CAs, not their keys.", shortName(string(path))),
	}
}

// Validate implements settings.Validator: the files can be read and belong to
// each other.
func (c *certificateBlock) Validate() error {
	_, err := c.leaf()
	return err
}

// leaf is the certificate that the key is for. No key is kept. The files are
// read from the disk, also by LoadLastGood: keys are not copied.
func (c *certificateBlock) leaf() (*x509.Certificate, error) {
	chain, err := readPEM("file", c.File)
	key, err2 := readPEM("key", c.Key)
	if err = errors.Join(err, err2); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, c.mistake(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, c.mistake(err)
	}
	return leaf, nil
}

func readPEM(attr string, path settings.Path) ([]byte, error) {
	if path == "" {
		return nil, &settings.Error{Attr: attr, Summary: fmt.Sprintf("%q is empty", attr), Detail: "Name a PEM file."}
	}
	b, err := readFile(string(path), maxFile)
	if err != nil {
		return nil, &settings.Error{
			Attr: attr, Summary: fmt.Sprintf("%s cannot be read", shortName(string(path))),
			Detail: upperFirst(reason(err)) + ". Check the path, and that the user portico runs as may read the file.",
		}
	}
	return b, nil
}

// mistake turns what crypto/tls says into what to do.
func (c *certificateBlock) mistake(err error) error {
	file, key := shortName(string(c.File)), shortName(string(c.Key))
	e := &settings.Error{Attr: "file", Summary: "The certificate cannot be used"}
	switch msg := strings.TrimPrefix(err.Error(), "tls: "); {
	case strings.Contains(msg, "private key does not match"):
		e.Attr, e.Summary = "key", "The key does not belong to the certificate"
		e.Detail = fmt.Sprintf("%s is the key of another certificate than the first one in %s. In the file the leaf comes first, then the chain.", key, file)
	case strings.Contains(msg, "certificate input"):
		e.Detail = fmt.Sprintf("%s has no PEM block CERTIFICATE. Are file and key mixed up?", file)
	case strings.Contains(msg, "key input"):
		e.Attr, e.Summary = "key", "The key cannot be used"
		e.Detail = fmt.Sprintf("%s has no PEM block with a private key. Are file and key mixed up?", key)
	case strings.Contains(msg, "failed to parse private key"):
		e.Attr, e.Summary = "key", "The key cannot be used"
		e.Detail = fmt.Sprintf("The key in %s cannot be parsed. If it is encrypted, decrypt it.", key)
	default:
		e.Detail = fmt.Sprintf("%s with %s: %s.", file, key, msg)
	}
	return e
}
