package acme

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddyserver/certmagic"
)

// Folder is where a daemon whose data is in dataDir has its Manager's files.
func Folder(dataDir string) string { return filepath.Join(dataDir, "tls", "acme") }

// Stored is the certificate for name that a Manager has in dir from the CA of
// settings with this directory, as it lies there; nobody is asked. The error is
// fs.ErrNotExist where there is none.
func Stored(dir, directory, name string) (*x509.Certificate, error) {
	issuer := certmagic.ACMEIssuer{CA: cmp.Or(directory, Directory)}
	file := filepath.Join(dir, filepath.FromSlash(certmagic.StorageKeys.SiteCert(issuer.IssuerKey(), name)))
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	block, _ := pem.Decode(b) // the first is the leaf
	if block == nil {
		return nil, fmt.Errorf("read certificate %s: %w", file, errNoPEM)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", file, err)
	}
	return leaf, nil
}

var errNoPEM = errors.New("it has no PEM block")
